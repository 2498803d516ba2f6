"""Transport: where the cells of an image move, and which position of one map belongs to which of another."""

import torch
from torch import Tensor

from .cells import cells_to_pixels
from .devices import without_autocast


def sinkhorn(own: Tensor, other: Tensor, eps: float, iterations: int) -> Tensor:
    """The entropic optimal transport between the positions of two maps, for a whole batch, in float32.

    Args:
        own (Tensor): ``(N, C, h, w)``.
        other (Tensor): ``(N, C, h, w)``.
        eps (float): Weight of the entropy.
        iterations (int): Rounds of Sinkhorn; the marginals of ``other`` are met exactly after each.

    Returns:
        Tensor: ``(N, hw, hw)``, times ``hw``: each row and each column sums to 1.
    """
    with without_autocast(own):
        a, b = (maps.float().flatten(2).transpose(1, 2) for maps in (own, other))
        kernel = -torch.cdist(a, b, compute_mode='donot_use_mm_for_euclid_dist').square() / eps
        rows = columns = kernel.new_zeros(())
        for _ in range(iterations):
            rows = -(kernel + columns).logsumexp(2, keepdim=True)
            columns = -(kernel + rows).logsumexp(1, keepdim=True)
        return (kernel + rows + columns).exp()


def transport_plan(cells: Tensor, salience: Tensor, eps: float, on_host: bool | None = None) -> Tensor:
    """Where the cells of an image move so that salience comes to where the mask shows it.

    Moving a cell costs ``eps`` times the squared way, less its salience where the mask shows anything. Each cell bids
    for the cheapest place; where several meet, the cheapest stays and the others bid elsewhere, for n rounds.

    Args:
        cells (Tensor): ``(N, 1, n, n)`` shares of this image.
        salience (Tensor): ``(N, 1, n, n)``.
        eps (float): The cost of the way across one side of the image.
        on_host (bool, optional): Whether values may be looked at, so that only cells that lost bid again. The plan is
            the same. Defaults to None: on the CPU, where this is the faster way.

    Returns:
        Tensor: ``(N, n, n)``, int64: the cell that goes to each place. A place that nobody won keeps its own.
    """
    count, _, n, _ = cells.shape
    on_host = cells.device.type == 'cpu' if on_host is None else on_host
    if on_host and count > (images := max(1, 2**21 // n**4)):
        # The costs of that many images stay in the cache.
        parts = zip(cells.split(images), salience.split(images), strict=True)
        return torch.cat([transport_plan(*part, eps, on_host) for part in parts])
    place = torch.arange(n * n, device=cells.device)
    y, x = place // n, place % n
    way = ((y[:, None] - y) ** 2 + (x[:, None] - x) ** 2) * (eps / (n - 1) ** 2)
    shown = (cells > 0).to(salience.dtype)
    cost = torch.addcmul(way, salience.view(count, -1, 1), shown.view(count, 1, -1), value=-1)
    least, wanted = cost.min(2)
    nobody = n * n
    for bid in range(n):
        lowest = torch.full_like(least, float('inf')).scatter_reduce_(1, wanted, least, 'amin')
        bidder = torch.where(least == lowest.gather(1, wanted), place, nobody)
        winner = torch.full_like(wanted, nobody).scatter_reduce_(1, wanted, bidder, 'amin')
        lost = winner.gather(1, wanted) != place
        if bid == n - 1 or (on_host and not lost.any()):
            break
        least, wanted = bid_again(cost, least, wanted, lost, on_host)
    return torch.where(winner == nobody, place, winner).view(count, n, n)


def bid_again(cost: Tensor, least: Tensor, wanted: Tensor, lost: Tensor, on_host: bool) -> tuple[Tensor, Tensor]:
    """Make lost places dearer by 1, in ``cost`` itself, and let those who lost look for the cheapest again.

    Args:
        cost (Tensor): ``(N, cells, places)``.
        least (Tensor): ``(N, cells)`` what each cell bid.
        wanted (Tensor): ``(N, cells)`` for which place.
        lost (Tensor): ``(N, cells)`` whether it was not the one to get it.
        on_host (bool): Whether values may be looked at; else all cells look again.

    Returns:
        tuple[Tensor, Tensor]: The new ``least`` and ``wanted``.
    """
    if not on_host:
        cost.scatter_add_(2, wanted[:, :, None], lost[:, :, None].to(cost.dtype))
        return cost.min(2)
    rows, losers = cost.flatten(0, 1), lost.flatten().nonzero().squeeze(1)
    rows.index_put_((losers, wanted.flatten()[losers]), cost.new_ones(()), accumulate=True)
    cheapest, place = rows.index_select(0, losers).min(1)
    return (
        least.flatten().index_copy(0, losers, cheapest).view_as(least),
        wanted.flatten().index_copy(0, losers, place).view_as(wanted),
    )


def move_cells(images: Tensor, source: Tensor) -> Tensor:
    """Put the cells of each image into other places.

    Cells of an image whose sides are no multiples of n differ by a pixel: a smaller one repeats its last row or column.

    Args:
        images (Tensor): ``(N, C, H, W)``.
        source (Tensor): ``(N, n, n)`` the cell (row-major) that goes to each place.

    Returns:
        Tensor: ``(N, C, H, W)``, in the images' memory format.
    """
    height, width = images.shape[-2:]
    n = source.shape[-1]
    if height % n == 0 and width % n == 0:
        return _move_rows(images, source)
    source = cells_to_pixels(source[:, None], height, width)[:, 0]
    row = _pixel_of(source // n, height, n, -1)
    column = _pixel_of(source % n, width, n, 1)
    index = (row * width + column).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    moved = images.flatten(2).gather(2, index).view_as(images)
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        moved = moved.contiguous(memory_format=torch.channels_last)
    return moved


def _move_rows(images: Tensor, source: Tensor) -> Tensor:
    """:func:`move_cells` for cells of one size: a row of pixels of a cell lies in one piece, and is moved in one."""
    count, channels, height, width = images.shape
    n = source.shape[-1]
    high, device = height // n, images.device
    first = source // n * (high * n) + source % n
    below = torch.arange(high, device=device)[:, None] * n
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        start = torch.arange(count, device=device).view(-1, 1, 1, 1) * (height * n)
        rows = images.permute(0, 2, 3, 1).reshape(count * height * n, -1)
        moved = rows.index_select(0, (start + first[:, :, None] + below).flatten())
        return moved.view(count, height, width, channels).permute(0, 3, 1, 2)
    start = torch.arange(count * channels, device=device).view(count, channels, 1, 1, 1) * (height * n)
    rows = images.reshape(count * channels * height * n, -1)
    return rows.index_select(0, (start + first[:, None, :, None] + below).flatten()).view(images.shape)


def _pixel_of(cell: Tensor, size: int, n: int, axis: int) -> Tensor:
    """Along one axis, the pixel of cell ``cell`` that goes to each pixel ``(N, H, W)``; ``axis`` -1 is vertical."""
    first = (torch.arange(n + 1, device=cell.device) * size + n - 1) // n
    pixel = torch.arange(size, device=cell.device)
    offset = pixel - first[pixel * n // size]
    offset = offset[:, None] if axis == -1 else offset
    return first[cell] + torch.minimum(offset, (first[1:] - first[:-1])[cell] - 1)
