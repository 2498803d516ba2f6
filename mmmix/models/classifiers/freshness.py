"""Whose a batch is: one that the preprocessor made for this step alone may be mixed in place."""

from typing import Any

import torch
from torch import Tensor, nn

_FRESH, _MIXED = '_mmmix_fresh', '_mmmix_mixed'


def mark_fresh(_: nn.Module, args: tuple, made: Any) -> None:
    """Mark images that nobody else holds: the preprocessor stacked or normalised them just now. A forward hook."""
    if not args or not isinstance(args[0], dict) or not isinstance(made, dict):
        return
    given, images = args[0].get('inputs'), made.get('inputs')
    same = isinstance(given, Tensor) and isinstance(images, Tensor) and _storage(given) == _storage(images)
    if isinstance(images, Tensor) and not same:
        setattr(images, _FRESH, True)


@torch.compiler.disable
def take_fresh(images: Tensor) -> bool:
    """Whether images are marked as fresh. A batch is fresh once.

    Raises:
        RuntimeError: If they were mixed in place since.
    """
    if getattr(images, _MIXED, False):
        raise RuntimeError(
            'MixClassifier: this batch was mixed in place by an earlier call of loss(): preprocess the data again, or '
            'give each call a copy, `inputs.clone()`.'
        )
    fresh = getattr(images, _FRESH, False)
    if fresh:
        setattr(images, _FRESH, False)
    return fresh


def mark_mixed(images: Tensor) -> None:
    """Mark images that the mixed ones may be written over."""
    setattr(images, _MIXED, True)


def _storage(tensor: Tensor) -> int:
    """Where the memory of a tensor begins."""
    return tensor.untyped_storage().data_ptr()
