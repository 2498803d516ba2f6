"""Order statistics of rows."""

from typing import Any

import torch
from torch import Tensor

from .blocks import row_by_row

#: Rows of so many values are looked at one by one, where that is allowed.
_LONG = 4096


def _each_row(values: Tensor) -> bool:
    """Whether to select in each row for itself.

    Rows want values of different ranks; selection finds one rank for all, or takes rows one by one. For all at once,
    fillers make up the difference: several times faster than a sort, and no word from the host, yet more work.
    """
    return row_by_row(values) and values.shape[1] >= _LONG


def kth_smallest(values: Tensor, k: Tensor) -> Tensor:
    """The k-th smallest value of each row, without a sort and without a word from the host.

    Args:
        values (Tensor): ``(N, L)``.
        k (Tensor): ``(N, 1)`` whole numbers from 1 to ``L``, of any type.

    Returns:
        Tensor: ``(N, 1)``.
    """
    if _each_row(values):
        rows = zip(values, k.squeeze(1).tolist(), strict=True)
        return torch.stack([row.kthvalue(int(at)).values for row, at in rows])[:, None]
    length = values.shape[1]
    # As many low fillers as are missing to the largest rank.
    low = torch.arange(length, device=values.device) < length - k
    filler = torch.where(low, -float('inf'), float('inf')).to(values.dtype)
    return torch.cat([values, filler], 1).kthvalue(length, 1, keepdim=True).values


def order_statistic(values: Tensor, chosen: Tensor, tau: float, below: bool) -> Tensor:
    """The chosen value of each row that lies at its ``tau``-quantile, without a sort and without a word from the host.

    Args:
        values (Tensor): ``(N, L)``.
        chosen (Tensor): ``(N, L)``, bool, at least one True a row.
        tau (float): The quantile, in [0, 1].
        below (bool): Among two neighbouring order statistics, whether to take the lower one.

    Returns:
        Tensor: ``(N, 1)``.
    """

    def rank(last: Any) -> Any:
        # The slack keeps 0.7 * 10 at 7: it is 7.000000000000001 in floating point.
        return (last * tau + 1e-9) // 1 if below else -((1e-9 - last * tau) // 1)

    ranks = rank(chosen.sum(1, keepdim=True).double() - 1)
    if _each_row(values):
        high = values.new_tensor(float('inf'))
        rows = zip(values, chosen, ranks.squeeze(1).tolist(), strict=True)
        return torch.stack([torch.where(use, row, high).kthvalue(int(at) + 1).values for row, use, at in rows])[:, None]
    # Low fillers make up the difference, where nothing was chosen.
    common = int(rank(values.shape[1] - 1))
    filler = torch.where((~chosen).cumsum(1, dtype=torch.int32) <= common - ranks, -float('inf'), float('inf'))
    return torch.where(chosen, values, filler).kthvalue(common + 1, 1, keepdim=True).values
