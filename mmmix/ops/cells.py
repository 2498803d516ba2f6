"""Coarse grids over images: cells spread over pixels, pixels gathered into cells."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cells_of(images: Tensor, grid: int) -> tuple[int, int]:
    """Rows and columns of a grid over these images: no more than they have pixels."""
    return min(grid, images.shape[-2]), min(grid, images.shape[-1])


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


def best_cells(maps: Tensor, rows: int, columns: int, count: Tensor) -> Tensor:
    """The ``count`` cells of each map that are rated highest; of equal ones the first.

    Args:
        maps (Tensor): ``(N, 1, H, W)``, of pixels or of any grid.
        rows (int): Rows of cells.
        columns (int): Columns of cells.
        count (Tensor): ``(N,)``, how many.

    Returns:
        Tensor: ``(N, 1, rows, columns)``, bool.
    """
    rated = pixels_to_cells(maps, rows, columns).flatten(1)
    rank = rated.argsort(dim=1, descending=True, stable=True).argsort(1)
    return (rank < count[:, None]).view(-1, 1, rows, columns)
