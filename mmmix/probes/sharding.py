"""Networks whose parameters lie in parts on several ranks: by PyTorch's FSDP, the first or the second, or DeepSpeed."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

#: What FSDP 1 and DeepSpeed's third stage write on a parameter, and what FSDP 2 makes of one.
MARKS = ('_fsdp_flattened', 'ds_id', 'full_tensor')


def in_groups(model: nn.Module) -> list[Any]:
    """The modules of a network that ``fully_shard`` gave parameters of their own group, the network itself included.

    Args:
        model (nn.Module): The network.
    """
    # Who shards has imported it; nobody else should have to.
    kind = getattr(sys.modules.get('torch.distributed.fsdp'), 'FSDPModule', ())
    return [module for module in model.modules() if isinstance(module, kind)]


def in_parts(parameters: Iterable[Tensor]) -> bool:
    """Whether a rank holds some of these parameters in part, or has put them together for the moment only.

    Args:
        parameters (Iterable[Tensor]): Of a module.
    """
    return any(hasattr(parameter, mark) for parameter in parameters for mark in MARKS)


def whole(tensor: Tensor) -> Tensor:
    """A parameter as a whole, in whatever group ``fully_shard`` put it; all ranks must ask for it.

    Args:
        tensor (Tensor): The parameter, or another tensor.
    """
    return tensor.full_tensor() if hasattr(tensor, 'full_tensor') else tensor


@contextmanager
def kept_together(model: nn.Module) -> Iterator[None]:
    """Let a backward pass in the middle of a forward pass leave parameters put together that the rest of it needs.

    At the end of any backward pass ``fully_shard`` takes all parameters apart, those of the network's own group too,
    which nobody puts together again before the next step.

    Args:
        model (nn.Module): The network.
    """
    groups = in_groups(model)
    for module in groups:
        module.set_reshard_after_backward(False, recurse=False)
    try:
        yield
    finally:
        for module in groups:
            module.set_reshard_after_backward(True, recurse=False)
