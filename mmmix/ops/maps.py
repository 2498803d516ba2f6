"""Maps of importance: found in images, smoothed, and compared."""

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


def blurred(maps: Tensor, sigma: float, radius: int = 4) -> Tensor:
    """Gaussian smoothing of ``(N, 1, H, W)`` maps; beyond the border the edge goes on."""
    offset = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-offset.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps, (radius,) * 4, mode='replicate')
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


def bounds(side: int, radius: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """First and last-plus-one index of the window around each position, clipped at the border."""
    place = torch.arange(side, device=device)
    return (place - radius).clamp(min=0), (place + radius + 1).clamp(max=side)


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
