"""Boxes as ``(top, bottom, left, right)``: pure functions, without synchronisation.

A side is an ``(N,)`` integer tensor, or, for one box that the host itself places, an integer: then nothing is launched.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .blocks import in_blocks
from .draws import random_index

#: An ``(N,)`` integer tensor, or an integer.
Side = Any
Size = tuple[Side, Side]
Box = tuple[Side, Side, Side, Side]


def random_centre(like: Tensor | float, height: int, width: int) -> Size:
    """Uniform pixels of an image: as many as ``like`` has rows, on its device, or one for a number."""
    if isinstance(like, Tensor):
        return torch.randint_like(like, height, dtype=torch.int64), torch.randint_like(like, width, dtype=torch.int64)
    return int(torch.randint(height, ())), int(torch.randint(width, ()))


def area_size(share: Tensor | float, height: int, width: int, margin: float = 0.0) -> Size:
    """CutMix's box: the sides of the image times ``sqrt(1 - share)``, rounded down.

    Args:
        share (Tensor | float): ``(N,)`` share of the own image, in [0, 1], or one number.
        height (int): Image height.
        width (int): Image width.
        margin (float): Added before rounding, in pixels. Defaults to 0.0.

    Returns:
        Size: Heights and widths, ``(N,)``, int64, or two integers.
    """
    if isinstance(share, Tensor):
        sides = (1 - share.double()).sqrt_()
        heights, widths = sides * height, sides * width
        return (heights.add_(margin).long(), widths.add_(margin).long()) if margin else (heights.long(), widths.long())
    side = math.sqrt(1 - share)
    return int(side * height + margin), int(side * width + margin)


def centred(cy: Side, cx: Side, heights: Side, widths: Side) -> Box:
    """The boxes around the centres, not clipped: ``heights // 2`` rows lie above ``cy``."""
    top, left = cy - heights // 2, cx - widths // 2
    return top, top + heights, left, left + widths


def clipped(box: Box, height: int, width: int) -> Box:
    """The part of each box that lies in the image."""
    top, bottom, left, right = box
    if isinstance(top, Tensor):
        return top.clamp(0, height), bottom.clamp(0, height), left.clamp(0, width), right.clamp(0, width)
    top, bottom = (min(max(side, 0), height) for side in (top, bottom))
    left, right = (min(max(side, 0), width) for side in (left, right))
    return top, bottom, left, right


def box_mask(box: Box, height: int, width: int) -> Tensor:
    """The own image's mask for a cut: False inside the box, which may stick out of the image, True outside.

    Returns:
        Tensor: ``(N, 1, H, W)``, bool.
    """
    top, bottom, left, right = (side[:, None] for side in box)
    y = torch.arange(height, device=top.device)
    x = y if width == height else torch.arange(width, device=top.device)
    beside = (y < top).logical_or_(y >= bottom), (x < left).logical_or_(x >= right)
    return beside[0][:, None, :, None] | beside[1][:, None, None, :]


def whole_inside(heights: Tensor, widths: Tensor, height: int, width: int) -> Tensor:
    """Which centres hold the whole box inside the image: ``(N,)`` sides -> ``(N, H, W)``, bool."""
    y, x = (torch.arange(side, device=heights.device) for side in (height, width))
    top, bottom, left, right = centred(y[None], x[None], heights[:, None], widths[:, None])
    return ((top >= 0) & (bottom <= height))[:, :, None] & ((left >= 0) & (right <= width))[:, None, :]


def box_sums(maps: Tensor, heights: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of each map inside the box around every possible centre, from one integral image a map.

    Args:
        maps (Tensor): ``(N, 1, H, W)`` importance.
        heights (Tensor): ``(N,)`` box heights.
        widths (Tensor): ``(N,)`` box widths.

    Returns:
        tuple[Tensor, Tensor]: The sums over what of each box lies in the image, ``(N, H, W)``, indexed by the centre,
        and the bool map of the same shape that tells which centres hold the whole box inside the image.
    """
    return in_blocks(_box_sums, maps, heights, widths)


def _box_sums(maps: Tensor, heights: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
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
