"""Where pixels of a mix come from: boxes resized into boxes, and cells of a coarse grid spread over an image."""

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


def cells_to_pixels(cells: Tensor, height: int, width: int) -> Tensor:
    """Spread a coarse grid over an image: pixel ``(y, x)`` takes cell ``(y * rows // H, x * columns // W)``.

    Args:
        cells (Tensor): ``(N, 1, rows, columns)``, any dtype.
        height (int): Image height.
        width (int): Image width.

    Returns:
        Tensor: ``(N, 1, H, W)``.
    """
    rows, columns = cells.shape[-2:]
    if height % rows == 0 and width % columns == 0:
        # The same by stretching a view, which is faster than gathering.
        block = (height // rows, width // columns)
        return cells[..., :, None, :, None].expand(-1, -1, -1, block[0], -1, block[1]).reshape(-1, 1, height, width)
    y = torch.arange(height, device=cells.device) * rows // height
    x = torch.arange(width, device=cells.device) * columns // width
    return cells.index_select(2, y).index_select(3, x)


def pixels_to_cells(maps: Tensor, rows: int, columns: int) -> Tensor:
    """The mean of each map in every cell of a grid, float32: ``(N, 1, H, W)`` -> ``(N, 1, rows, columns)``."""
    return F.adaptive_avg_pool2d(maps.float(), (rows, columns))


def shares_of_cells(maps: Tensor) -> Tensor:
    """Each map divided by its sum, a map of zeros becoming flat: ``(N, 1, H, W)`` of non-negative numbers, float32."""
    maps = maps.float()
    total = maps.sum((2, 3), keepdim=True)
    return torch.where(total > 0, maps / total, 1 / maps[0].numel())
