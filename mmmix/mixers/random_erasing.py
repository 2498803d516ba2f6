"""Random erasing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Keep
from ..registry import BATCH_AUGMENTS
from .boxes import Box, random_index
from .cutout import Eraser

#: How often a box that does not fit is drawn again before the image is left alone.
_ATTEMPTS = 10


@BATCH_AUGMENTS.register_module()
class RandomErasing(Eraser):
    r"""Random erasing: a box of random area and aspect ratio is erased from each image.

    `Random Erasing Data Augmentation <https://arxiv.org/abs/1708.04896>`_. The area is uniform, the logarithm of the
    ratio of height to width too, and the box lies whole in the image; the label stays. A box that does not fit is drawn
    again, up to ten times, all at once here, as in torchvision, whose ranges and order of steps these are. Boxes are
    drawn on the images' device.

    Deviations: the paper fills with values uniform in [0, 255] before normalisation, here noise is standard normal
    after it, as in torchvision and mmpretrain; the paper draws the ratio itself uniformly.

    Args:
        scale (Sequence[float]): Range of the erased share of the area. Defaults to (0.02, 0.33).
        ratio (Sequence[float]): Range of height / width. Defaults to (0.3, 3.3).
        fill (float | str): ``'random'`` for noise in every pixel, or a number. Defaults to ``'random'``.
        prob (float): Probability of erasing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 0.5.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; every image has its own box
            with both. Defaults to ``'elem'``.
        keep (Keep | dict, optional): Where the box may fall, e.g. :class:`SelectiveCut`. It moves the box and never
            resizes it. Defaults to None, anywhere.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import RandomErasing
        >>> images, scores = RandomErasing(prob=1.0, fill=0.0)(torch.ones(4, 3, 16, 16), torch.eye(4))
        >>> bool(images.mean() < 1)
        True
    """

    def __init__(
        self,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        fill: float | str = 'random',
        prob: float = 0.5,
        lam_mode: str = 'elem',
        keep: Keep | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(fill, prob, lam_mode, keep, check_finite)
        name = type(self).__name__
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(
                f'{name}: `scale` must be a range of area shares in (0, 1], e.g. (0.02, 0.33), but got {scale!r}.'
            )
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1] < float('inf'):
            raise ValueError(f'{name}: `ratio` must be a range of positive ratios, e.g. (0.3, 3.3), but got {ratio!r}.')
        self.scale = (float(scale[0]), float(scale[1]))
        self.ratio = (float(ratio[0]), float(ratio[1]))

    def box_size(self, share: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The first of ten draws that fits; nothing if none does, or for an image that is left alone."""
        drawn = torch.rand(2, len(share), _ATTEMPTS, device=share.device, dtype=torch.float64)
        area = height * width * (self.scale[0] + drawn[0] * (self.scale[1] - self.scale[0]))
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = (low + drawn[1] * (high - low)).exp()
        heights, widths = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
        fits = (heights < height) & (widths < width)
        first = fits.long().argmax(1, keepdim=True)
        erased = fits.any(1).long() * (share < 1)
        return heights.gather(1, first).squeeze(1) * erased, widths.gather(1, first).squeeze(1) * erased

    def place(self, heights: Tensor, widths: Tensor, height: int, width: int) -> Box:
        """A uniform place among those that hold the whole box."""
        top = random_index(height - heights + 1, len(heights), heights.device)
        left = random_index(width - widths + 1, len(widths), widths.device)
        return top, top + heights, left, left + widths
