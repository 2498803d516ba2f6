"""Saliency by the spectral residual."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.fields import choice, flag, number, whole
from ..core.roles import Guide
from ..ops.devices import without_autocast
from ..ops.maps import blurred, spectral_residual


class SpectralResidual(Guide):
    r"""Saliency by the spectral residual: where an image's spectrum departs from its own smooth trend.

    `Saliency Detection: A Spectral Residual Approach <https://doi.org/10.1109/CVPR.2007.383267>`_. It looks at the
    image alone: no model, no label. The image is made grey (the mean of its channels) and shrunk so that its longer
    side is ``size``; R is the logarithm of its Fourier amplitude minus its 3 x 3 mean, and the map is
    :math:`|F^{-1}(\exp(R + iP))|^2` with the phase P (or its root, see ``squared``), smoothed by a Gaussian and mapped
    back bilinearly. Any height and width, batched on the images' device, float32.

    Deviations from the authors' code: their Gaussian window has an even width of 10, ours is odd (9), and maps have a
    correlation of .985 for that; the longer side and not the width becomes 64, and smaller images are not enlarged.
    Enlarged to 64 pixels, CIFAR images have maps that peak in the outer tenth of the image in 93 %, as they are in 26 %
    (``benchmarks/fidelity.md``).

    Example:
        >>> import torch
        >>> from mmmix import SpectralResidual
        >>> images = 0.1 * torch.rand(1, 3, 48, 64)
        >>> images[..., 20:28, 40:48] += 1
        >>> place = SpectralResidual()(images).flatten().argmax()
        >>> row, column = int(place // 64), int(place % 64)
        >>> 16 <= row <= 32 and 36 <= column <= 52
        True
    """

    size: int = whole(default=64, least=4, doc='The longer side at which the spectrum is taken, at most.')
    sigma: float = number(default=2.5, above=0, doc='Standard deviation of the Gaussian, in pixels at that size.')
    kernel: int = whole(default=9, least=1, odd=True, doc='Side of the Gaussian in pixels, 1 for none.')
    border: str = choice(
        'zeros',
        'replicate',
        'reflect',
        default='zeros',
        doc="Beyond the border the Gaussian sees ``'zeros'``, as in the authors' code, ``'replicate'``, the edge, "
        "``'reflect'``, the map mirrored. With the edge, maps peak at the border.",
    )
    squared: bool = flag(
        default=True, doc="Whether the image of the residual is squared, as in the paper; GuidedMixup's authors do not."
    )

    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        with without_autocast(images):
            size = images.shape[-2:]
            grey = images.float().mean(1, keepdim=True)
            if max(size) > self.size:
                small = [max(1, round(side * self.size / max(size))) for side in size]
                grey = F.interpolate(grey, small, mode='bilinear', align_corners=False, antialias=True)
            found = spectral_residual(grey)
            found = blurred(found if self.squared else found.sqrt(), self.sigma, self.kernel // 2, self.border)
            return (
                found if found.shape[-2:] == size else F.interpolate(found, size, mode='bilinear', align_corners=False)
            )
