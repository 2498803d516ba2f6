"""SmoothMix."""

import torch
from torch import Tensor

from ..core import RatiolessMixer
from ..core.fields import span


class SmoothMix(RatiolessMixer):
    r"""SmoothMix: the partner shines through a Gaussian spot, without an edge that a network could latch on to.

    `SmoothMix: A Simple Yet Effective Data Augmentation to Train Robust Classifiers
    <https://doi.org/10.1109/CVPRW50498.2020.00386>`_. The partner's share of a pixel is ``exp(-d ** 2 / (2 sigma **
    2))``, ``d`` its distance from a uniform centre and ``sigma`` uniform in ``sigma`` times the side of the image; the
    labels are the mean of the mask. (Giving the spot to the own image, as the paper writes it, is the same with the
    roles exchanged.)

    Deviations: the side of an image that is not square is the root of its area. OpenMixup's copy gives each label the
    other's share.

    Example:
        >>> import torch
        >>> from mmmix import SmoothMix
        >>> mix = SmoothMix(lam_mode='elem').mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam < 1).all())
        True
    """

    sigma: tuple[float, float] = span(
        default=(0.25, 0.5), above=0, most=1, doc="The range of the spot's standard deviation, in sides of the image."
    )

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One spot for the batch with ``'batch'``, one for each image with ``'elem'``."""
        share = self.of_masks(share)
        height, width = own.shape[-2:]
        low, high = self.sigma
        cy, cx, spread = torch.rand(3, len(share), 1, device=own.device)
        sigma = (low + (high - low) * spread) * (height * width) ** 0.5
        # The Gaussian of a sum is a product: one row and one column of it are all there is to compute.
        rows, columns = (
            (-(((torch.arange(size, device=own.device) + 0.5 - centre * size) / sigma) ** 2) / 2).exp()
            for size, centre in ((height, cy), (width, cx))
        )
        rows = rows * (share[:, None] < 1)
        return (1 - rows[:, :, None] * columns[:, None, :])[:, None], other
