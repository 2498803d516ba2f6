"""Saliency by the spectral residual."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..part import Guide
from ..registry import TASK_UTILS


@TASK_UTILS.register_module()
class SpectralResidual(Guide):
    r"""Saliency by the spectral residual: where an image's spectrum departs from its own smooth trend.

    `Saliency Detection: A Spectral Residual Approach <https://doi.org/10.1109/CVPR.2007.383267>`_. It looks at the
    image alone: no model, no label. The image is made grey (the mean of its channels) and shrunk so that its longer
    side is ``size``; R is the logarithm of its Fourier amplitude minus its 3 x 3 mean, and the map is
    :math:`|F^{-1}(\exp(R + iP))|^2` with the phase P, smoothed by a Gaussian and mapped back bilinearly. Any height and
    width, batched on the images' device, float32.

    Deviations from the authors' code: their Gaussian window has an even width of 10, ours is odd (9); the longer side
    and not the width becomes 64, and smaller images are not enlarged.

    Args:
        size (int): The longer side at which the spectrum is taken, at most. Defaults to 64.
        sigma (float): Standard deviation of the Gaussian, in pixels at that size. Defaults to 2.5.

    Raises:
        ValueError: If an argument is out of range.

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

    def __init__(self, size: int = 64, sigma: float = 2.5):
        if isinstance(size, bool) or not isinstance(size, int) or size < 4:
            raise ValueError(
                f'SpectralResidual: `size` must be a number of pixels of at least 4, e.g. 64, but got {size!r}.'
            )
        if isinstance(sigma, bool) or not isinstance(sigma, (int, float)) or not 0 < sigma < float('inf'):
            raise ValueError(f'SpectralResidual: `sigma` must be above 0, e.g. 2.5, but got {sigma!r}.')
        self.size = size
        self.sigma = float(sigma)

    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): Not looked at.

        Returns:
            Tensor: ``(N, 1, H, W)``, float32, at least 0.
        """
        with torch.autocast(images.device.type, enabled=False):
            size = images.shape[-2:]
            grey = images.float().mean(1, keepdim=True)
            if max(size) > self.size:
                small = [max(1, round(side * self.size / max(size))) for side in size]
                grey = F.interpolate(grey, small, mode='bilinear', align_corners=False, antialias=True)
            found = blurred(spectral_residual(grey), self.sigma)
            return (
                found if found.shape[-2:] == size else F.interpolate(found, size, mode='bilinear', align_corners=False)
            )


def spectral_residual(grey: Tensor) -> Tensor:
    """The squared image of the spectral residual, not smoothed: ``(N, 1, H, W)`` in and out."""
    spectrum = torch.fft.fft2(grey)
    amplitude = spectrum.abs()
    # Relative to the brightest frequency, so that empty ones neither overflow nor depend on the unit of pixels.
    floor = amplitude.amax((2, 3), keepdim=True) * torch.finfo(torch.float32).eps + torch.finfo(torch.float32).tiny
    log_amplitude = (amplitude + floor).log()
    residual = log_amplitude - F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode='replicate'), 3, 1)
    return torch.fft.ifft2(torch.polar(residual.exp(), spectrum.angle())).abs().square()


def blurred(maps: Tensor, sigma: float, radius: int = 4) -> Tensor:
    """Gaussian smoothing of ``(N, 1, H, W)`` maps; beyond the border the edge goes on."""
    offset = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-offset.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps, (radius,) * 4, mode='replicate')
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
