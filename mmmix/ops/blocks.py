"""On a CPU a few rows at a time, so that what is computed on the way stays in its cache."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

#: A tensor, or two, with as many rows as went in.
Rows = TypeVar('Rows', Tensor, tuple[Tensor, Tensor])

#: Values of one intermediate result: as float64 they take two megabytes.
_VALUES = 1 << 18


def row_by_row(tensor: Tensor) -> bool:
    """Whether a loop over rows costs less than one call for all: where the host computes, and nobody compiles."""
    return tensor.device.type == 'cpu' and not torch.compiler.is_compiling()


def in_blocks(function: Callable[..., Rows], *rows: Tensor) -> Rows:
    """A function of rows that do not know of each other: on a CPU in blocks, elsewhere all at once.

    Without blocks each intermediate result of a large batch is new memory, whose page faults take longer than the
    arithmetic: a whole batch of maps of 224 x 224 takes a CPU four times as long as the same maps in blocks.

    Args:
        function (Callable): From tensors of a block to a tensor, or two, of as many rows.
        *rows (Tensor): ``(N, ...)`` each; the size of the first one's rows says how many go into a block.

    Returns:
        Tensor | tuple[Tensor, Tensor]: What the function gives for all rows.
    """
    first = rows[0]
    each = max(1, _VALUES * len(first) // max(1, first.numel())) if row_by_row(first) else len(first)
    if each >= len(first):
        return function(*rows)
    parts = [function(*block) for block in zip(*(tensor.split(each) for tensor in rows), strict=True)]
    if isinstance(parts[0], tuple):
        first_parts, second_parts = zip(*parts, strict=True)
        return torch.cat(first_parts), torch.cat(second_parts)
    return torch.cat(parts)
