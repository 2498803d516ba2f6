"""KeepAugment's selective paste."""

from .quantile import QuantileKeep


class SelectivePaste(QuantileKeep):
    """KeepAugment's selective paste: what is pasted back is among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box
    may fall only where the sum of the guide's map inside it is at least the ``tau``-quantile over all places of a box
    of that size in that image; among these places it falls uniformly. It is :class:`SelectiveCut` of the negated map at
    ``1 - tau``. :class:`KeepPaste` uses it.

    Example:
        >>> import torch
        >>> from mmmix import SelectivePaste, SpectralResidual
        >>> keep = SelectivePaste(guide=SpectralResidual(), tau=1.0)
        >>> importance = torch.zeros(1, 1, 8, 8)
        >>> importance[..., 4:7, 2:5] = 1
        >>> size = torch.tensor([3])
        >>> [int(centre) for centre in keep(importance, size, size)]
        [5, 3]
    """

    below = False
