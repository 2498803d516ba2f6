"""How much of each label: policies that turn a mask, a guide or the model's view into the two label shares."""

from .part import Labels
from .registry import TASK_UTILS

__all__ = ['Area', 'Labels']


@TASK_UTILS.register_module()
class Area(Labels):
    """The label shares are the areas in the mask: what every mixer does when it is given no policy.

    Example:
        >>> import torch
        >>> from mmmix import Area, CutMix
        >>> mix = CutMix(labels=Area()).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam + mix.lam_partner == 1).all())
        True
    """
