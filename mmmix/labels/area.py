"""The label shares are areas."""

from ..core.roles import Labels


class Area(Labels):
    """The label shares are the areas in the mask: what every mixer does when it is given no policy.

    Example:
        >>> import torch
        >>> from mmmix import Area, CutMix
        >>> mix = CutMix(labels=Area()).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam + mix.lam_partner == 1).all())
        True
    """
