"""Boxes as four ``(N,)`` integer tensors ``(top, bottom, left, right)``: pure functions, without synchronisation."""

import torch
from torch import Tensor

Box = tuple[Tensor, Tensor, Tensor, Tensor]


def random_index(size: Tensor | int, count: int, device: torch.device) -> Tensor:
    """Uniform integers in ``[0, size)``, where ``size`` may differ from row to row.

    Args:
        size (Tensor | int): The number of values, ``(count,)`` or one for all.
        count (int): How many to draw.
        device (torch.device): Where to draw them.

    Returns:
        Tensor: ``(count,)``, int64.
    """
    drawn = (torch.rand(count, device=device, dtype=torch.float64) * size).long()
    # float64 times an integer below 2**52 may still round up to `size` itself.
    return torch.minimum(drawn, size - 1) if isinstance(size, Tensor) else drawn.clamp_(max=size - 1)


def area_size(share: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """CutMix's box: the sides of the image times ``sqrt(1 - share)``, rounded down.

    Args:
        share (Tensor): ``(N,)`` share of the own image.
        height (int): Image height.
        width (int): Image width.

    Returns:
        tuple[Tensor, Tensor]: Heights and widths, ``(N,)``, int64.
    """
    side = (1 - share.double()).clamp(min=0).sqrt()
    return (side * height).long(), (side * width).long()


def centred(cy: Tensor, cx: Tensor, heights: Tensor, widths: Tensor) -> Box:
    """The boxes around the centres, not clipped: ``heights // 2`` rows lie above ``cy``."""
    top, left = cy - heights // 2, cx - widths // 2
    return top, top + heights, left, left + widths


def clipped(box: Box, height: int, width: int) -> Box:
    """The part of each box that lies in the image."""
    top, bottom, left, right = box
    return top.clamp(0, height), bottom.clamp(0, height), left.clamp(0, width), right.clamp(0, width)


def box_mask(box: Box, height: int, width: int) -> Tensor:
    """The own image's mask for a cut: False inside the box, True outside.

    Returns:
        Tensor: ``(N, 1, H, W)``, bool.
    """
    top, bottom, left, right = (side[:, None] for side in box)
    y = torch.arange(height, device=top.device)
    x = torch.arange(width, device=top.device)
    rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
    return ~(rows[:, None, :, None] & columns[:, None, None, :])


def box_sums(maps: Tensor, heights: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of each map inside the box around every possible centre, from one integral image a map.

    Args:
        maps (Tensor): ``(N, 1, H, W)`` importance.
        heights (Tensor): ``(N,)`` box heights, at most ``H``.
        widths (Tensor): ``(N,)`` box widths, at most ``W``.

    Returns:
        tuple[Tensor, Tensor]: The sums, ``(N, H, W)``, indexed by the centre, and the bool map of the same shape that
        tells which centres hold the whole box inside the image. The sums at other centres mean nothing.
    """
    n, _, height, width = maps.shape
    integral = maps.new_zeros(n, height + 1, width + 1, dtype=torch.float64)
    integral[:, 1:, 1:] = maps[:, 0].double().cumsum(1).cumsum(2)
    y = torch.arange(height, device=maps.device)
    x = torch.arange(width, device=maps.device)
    top, bottom, left, right = centred(y[None], x[None], heights[:, None], widths[:, None])
    fits = ((top >= 0) & (bottom <= height))[:, :, None] & ((left >= 0) & (right <= width))[:, None, :]
    bands = [integral.gather(1, edge.clamp(0, height)[:, :, None].expand(-1, -1, width + 1)) for edge in (bottom, top)]
    strips = bands[0] - bands[1]
    sides = [strips.gather(2, edge.clamp(0, width)[:, None, :].expand(-1, height, -1)) for edge in (right, left)]
    return (sides[0] - sides[1]).float(), fits


def draw_allowed(allowed: Tensor) -> tuple[Tensor, Tensor]:
    """One uniform draw among the allowed places of each map.

    Args:
        allowed (Tensor): ``(N, H, W)``, bool, with at least one True a map.

    Returns:
        tuple[Tensor, Tensor]: Row and column, ``(N,)``, int64.
    """
    n, _, width = allowed.shape
    rank = allowed.flatten(1).cumsum(1, dtype=torch.int32)
    wanted = random_index(rank[:, -1].long(), n, allowed.device) + 1
    place = torch.searchsorted(rank, wanted[:, None].int()).squeeze(1)
    return place // width, place % width
