"""Averages of feature maps over boxes that do not keep to the pixels."""

import torch
from torch import Tensor

from .devices import without_autocast


def box_means(maps: Tensor, top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor:
    """The average of each feature map over a box of its own, interpolated bilinearly: RoI align with one cell.

    It is ``torchvision.ops.roi_align(..., output_size=1, aligned=True)``, up to rounding: the box is divided evenly
    into ``ceil(side)`` points along each axis. Weights of rows and of columns are apart, so that no point is looked up.

    Args:
        maps (Tensor): ``(N, C, h, w)``.
        top (Tensor): ``(N,)`` where each box begins, in ``[0, h]``; pixel ``i`` reaches from ``i`` to ``i + 1``.
        left (Tensor): ``(N,)``, in ``[0, w]``.
        bottom (Tensor): ``(N,)`` where it ends, in ``[top, h]``.
        right (Tensor): ``(N,)``, in ``[left, w]``.

    Returns:
        Tensor: ``(N, C)``, float32; zeros where a box is empty.
    """
    with without_autocast(maps):
        rows = _weights(top, bottom, maps.shape[2])
        columns = _weights(left, right, maps.shape[3])
        weights = rows[:, :, None] * columns[:, None, :]
        return (maps.float().flatten(2) @ weights.flatten(1)[:, :, None]).squeeze(2)


def _weights(first: Tensor, beyond: Tensor, size: int) -> Tensor:
    """How much each of ``size`` pixels along one axis counts in the average from ``first`` to ``beyond``.

    Returns:
        Tensor: ``(N, size)``, float32, rows that sum to 1, or to 0 where there is nothing between the two.
    """
    first = first.float()[:, None]
    side = beyond.float()[:, None] - first
    # No more points than pixels: the box lies in the map.
    count = side.ceil().clamp(0, size)
    index = torch.arange(size, device=first.device)
    place = (first - 0.5 + (index + 0.5) * (side / count.clamp(min=1))).clamp(0, size - 1)
    near = (1 - (place[:, :, None] - index).abs()).clamp(min=0)
    return (near * (index < count)[:, :, None]).sum(1) / count.clamp(min=1)
