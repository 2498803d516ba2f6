"""Maps of importance: found in images, smoothed, and compared."""

from collections.abc import Sequence
from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor

from .cells import shares_of_cells


def spectral_residual(grey: Tensor) -> Tensor:
    """The squared image of the spectral residual, not smoothed: ``(N, 1, H, W)`` in and out."""
    spectrum = torch.fft.fft2(grey)
    amplitude = spectrum.abs()
    # Relative to the brightest frequency, so that empty ones neither overflow nor depend on the unit of pixels.
    floor = amplitude.amax((2, 3), keepdim=True) * torch.finfo(torch.float32).eps + torch.finfo(torch.float32).tiny
    log_amplitude = (amplitude + floor).log()
    residual = log_amplitude - F.avg_pool2d(F.pad(log_amplitude, (1, 1, 1, 1), mode='replicate'), 3, 1)
    return torch.fft.ifft2(torch.polar(residual.exp(), spectrum.angle())).abs().square()


def blurred(maps: Tensor, sigma: float, radius: int, border: str) -> Tensor:
    """Gaussian smoothing of ``(N, 1, H, W)`` maps.

    Beyond the border lie ``'zeros'``, the edge (``'replicate'``) or the map mirrored (``'reflect'``), which reaches no
    farther than it has pixels.
    """
    if border == 'reflect':
        radius = min(radius, min(maps.shape[-2:]) - 1)
    offset = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-offset.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps, (radius,) * 4, mode='constant' if border == 'zeros' else border)
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


def grey_of(images: Tensor) -> Tensor:
    """Grey images, ``(N, H, W)``, float64: the luma of three channels (red, green, blue), else the mean of them all."""
    images = images.double()
    if images.shape[1] != 3:
        return images.mean(1)
    red, green, blue = images.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def binomial_blurred(grey: Tensor) -> Tensor:
    """Images ``(N, H, W)`` smoothed by (1, 2, 1) / 4 along both sides, and mirrored at the pixels of the border."""
    for dim in (1, 2):
        last = grey.shape[dim] - 1
        place = torch.arange(last + 1, device=grey.device)
        before, after = (place - 1).abs().clamp(max=last), (last - (last - 1 - place).abs()).clamp(min=0)
        grey = grey / 2 + (grey.index_select(dim, before) + grey.index_select(dim, after)) / 4
    return grey


def centre_surround(grey: Tensor, radii: Sequence[int]) -> tuple[Tensor, Tensor]:
    """How much brighter, and how much darker, pixels of ``(N, H, W)`` are than their surrounds, summed over scales.

    The surround is the mean over rows and columns ``centre - radius + 1 .. centre + radius``, clipped at the border,
    without the centre.
    """
    n, height, width = grey.shape
    integral = grey.new_zeros(n, height + 1, width + 1)
    integral[:, 1:, 1:] = grey.cumsum(1).cumsum(2)
    brighter, darker = torch.zeros_like(grey), torch.zeros_like(grey)
    for radius in radii:
        places = (torch.arange(side, device=grey.device) for side in (height, width))
        (top, bottom), (left, right) = (
            ((place - radius + 1).clamp(min=0), (place + radius + 1).clamp(max=len(place))) for place in places
        )
        rows = integral.index_select(1, bottom) - integral.index_select(1, top)
        sums = rows.index_select(2, right) - rows.index_select(2, left)
        others = (bottom - top)[:, None] * (right - left)[None, :] - 1
        response = torch.where(others > 0, grey - (sums - grey) / others.clamp(min=1), 0.0)
        brighter += response.clamp(min=0)
        darker -= response.clamp(max=0)
    return brighter, darker


def relative_to_peak(maps: Tensor, floor: Tensor) -> Tensor:
    """Each map of ``(N, H, W)`` divided by its largest value; one whose peak is not above ``floor`` becomes 0."""
    peak = maps.amax((1, 2), keepdim=True)
    return torch.where(peak > floor, maps / peak.clamp(min=torch.finfo(maps.dtype).tiny), 0.0)


def smoothed(maps: Tensor, kernel: int, blur: float) -> Tensor:
    """Maps ``(N, 1, H, W)`` under a Gaussian blur with reflected borders, each divided by its sum; float32."""
    reach = min(kernel // 2, min(maps.shape[-2:]) - 1)
    weights = [exp(-((place / blur) ** 2) / 2) for place in range(-reach, reach + 1)]
    for dim in (2, 3):
        padded = F.pad(maps.float(), [0, 0, reach, reach] if dim == 2 else [reach, reach, 0, 0], mode='reflect')
        maps = torch.zeros(maps.shape, device=maps.device)
        for shift, weight in enumerate(weights):
            maps.add_(padded.narrow(dim, shift, maps.shape[dim]), alpha=weight / sum(weights))
    return shares_of_cells(maps)


def farthest_cycle(maps: Tensor) -> Tensor:
    """One cycle through all rows that always goes on to the farthest row not yet visited.

    The device never waits for the host: every step is a handful of small operations.

    Args:
        maps (Tensor): ``(N, L)``, N >= 2.

    Returns:
        Tensor: ``(N,)``, int64: where the cycle goes from each row. It is a permutation without fixed points.
    """
    n = len(maps)
    # Squared distances rank as distances do. What all maps have in common would only cost precision.
    maps = maps - maps.mean(0)
    square = maps.square().sum(1)
    distance = (square[:, None] + square - 2 * maps @ maps.T).fill_diagonal_(-float('inf'))
    farthest = distance.argmax().view(1)
    start, row = farthest // n, farthest % n
    partner = torch.empty(n, dtype=torch.long, device=maps.device).scatter_(0, start, row)
    visited = torch.zeros(n, device=maps.device)
    visited.scatter_(0, start, -float('inf'))
    for _ in range(n - 2):
        following = (distance.index_select(0, row) + visited).argmax(1)
        partner.scatter_(0, row, following)
        visited.scatter_(0, row, -float('inf'))
        row = following
    return partner.scatter_(0, row, start)
