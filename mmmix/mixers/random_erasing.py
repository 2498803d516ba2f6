"""Random erasing."""

import math

import torch
from torch import Tensor

from ..core import Eraser
from ..core.fields import again, span
from ..ops.boxes import Box, whole_inside
from ..ops.draws import random_index

#: How often a box that does not fit is drawn again before the image is left alone.
_ATTEMPTS = 10


class RandomErasing(Eraser):
    r"""Random erasing: a box of random area and aspect ratio is erased from each image.

    `Random Erasing Data Augmentation <https://arxiv.org/abs/1708.04896>`_. The area is uniform, the logarithm of the
    ratio of height to width too, and the box lies whole in the image; the label stays. A box that does not fit is drawn
    again, up to ten times, all at once here, as in torchvision, whose ranges and order of steps these are.

    Deviations: the paper fills with values uniform in [0, 255] before normalisation, here noise is standard normal
    after it, as in torchvision and mmpretrain; the paper draws the ratio itself uniformly.

    Example:
        >>> import torch
        >>> from mmmix import RandomErasing
        >>> images, scores = RandomErasing(prob=1.0, fill=0.0)(torch.ones(4, 3, 16, 16), torch.eye(4))
        >>> bool(images.mean() < 1)
        True
    """

    scale: tuple[float, float] = span(default=(0.02, 0.33), above=0, most=1, doc='Range of the erased area share.')
    ratio: tuple[float, float] = span(default=(0.3, 3.3), above=0, doc='Range of height / width.')
    fill: float | str = again(default='random', doc="``'random'`` for noise in every pixel, or a number.")
    prob: float = again(default=0.5)

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

    def own_places(self, heights: Tensor, widths: Tensor, height: int, width: int) -> Tensor:
        """The centres that hold the whole box."""
        return whole_inside(heights, widths, height, width)
