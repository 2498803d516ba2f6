"""Boxes of images resized into boxes, each with a size and a place of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import Box


def _coordinates(size: int, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], nearest: bool) -> Tensor:
    """Along one axis, the source pixel behind each target pixel, in ``[-1, 1]`` over the image; ``(N, size)``."""
    (first, beyond), (top, bottom) = ((a[:, None].float(), b[:, None].float()) for a, b in (source, target))
    pixel = torch.arange(size, device=first.device) + 0.5
    place = (pixel - top) * ((beyond - first) / (bottom - top).clamp(min=1)) + first - 0.5
    if nearest:
        place = (place + 0.5).floor()
    # Pixels outside the source box do not bleed in, as if it had been cut out before it was resized.
    place = torch.minimum(torch.maximum(place, first), beyond - 1)
    return place * (2 / max(size - 1, 1)) - 1


def resample(images: Tensor, source: Box, target: Box, interpolation: str = 'bilinear') -> Tensor:
    """Resize a box of each image into another box of the same image; sizes and places differ from image to image.

    What lies outside the target box means nothing. In the target box the result is that of ``F.interpolate`` on the
    cut-out source box (``align_corners=False``; ``'nearest'`` is its ``'nearest-exact'``), without antialiasing. The
    target box may stick out of the image. Everything is computed in float32.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        source (Box): What is resized, inside the image, ``(N,)`` or ``(1,)`` each.
        target (Box): Where it goes, ``(N,)`` or ``(1,)`` each.
        interpolation (str): ``'bilinear'`` or ``'nearest'``. Defaults to ``'bilinear'``.

    Returns:
        Tensor: ``(N, C, H, W)``, in the images' dtype and memory format.
    """
    height, width = images.shape[-2:]
    nearest = interpolation == 'nearest'
    y = _coordinates(height, source[:2], target[:2], nearest)
    x = _coordinates(width, source[2:], target[2:], nearest)
    grid = x.new_empty(max(len(x), len(y)), height, width, 2)
    grid[..., 0], grid[..., 1] = x[:, None, :], y[:, :, None]
    found = F.grid_sample(
        images.float(),
        grid.expand(len(images), -1, -1, -1),
        interpolation,
        padding_mode='border',
        align_corners=True,
    )
    found = found.to(images.dtype)
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        found = found.contiguous(memory_format=torch.channels_last)
    return found


def resize(images: Tensor, height: int, width: int, interpolation: str = 'bilinear') -> Tensor:
    """Resize whole images, without antialiasing, to one size for all; in their dtype; sums are float32 or better."""
    if interpolation == 'nearest':
        return F.interpolate(images, (height, width), mode='nearest-exact')
    # Not every PyTorch resizes float16 on a CPU.
    source = images.float() if images.dtype == torch.float16 and images.device.type == 'cpu' else images
    return F.interpolate(source, (height, width), mode='bilinear', align_corners=False).to(images.dtype)
