"""Order statistics of rows."""

from typing import Any

import torch
from torch import Tensor


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

    # Rows have ranks of their own, selection has one for all: low fillers in each row make up the difference.
    common = int(rank(values.shape[1] - 1))
    lows = common - rank(chosen.sum(1, keepdim=True).double() - 1)
    filler = torch.where((~chosen).cumsum(1, dtype=torch.int32) <= lows, -float('inf'), float('inf'))
    return torch.where(chosen, values, filler).kthvalue(common + 1, 1, keepdim=True).values
