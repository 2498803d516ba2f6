"""Energies of labelled grids, as PuzzleMix has them, and a batched search for labellings of low energy."""

from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class GridEnergy:
    """The energies of many grids of ``n x n`` cells whose labels are own shares ``0, 1 / (L - 1), ..., 1``.

    The energy of a labelling is ``sum_p unary[p, label of p] + sum_pq weight_pq (share_p - share_q) ** 2`` over
    neighbours ``p, q``.

    Attributes:
        unary (Tensor): ``(N, L, n, n)``.
        down (Tensor): ``(N, n - 1, n)`` weights between a cell and the one below it, at least 0.
        right (Tensor): ``(N, n, n - 1)`` weights between a cell and the one to its right, at least 0.
    """

    unary: Tensor
    down: Tensor
    right: Tensor

    def __call__(self, shares: Tensor) -> Tensor:
        """The energies of labellings ``(N, S, n, n)`` of own shares: ``(N, S)``."""
        last = self.unary.shape[1] - 1
        labels = (shares * last).round().long()
        cells = self.unary.expand(len(shares), -1, -1, -1).gather(1, labels).sum((2, 3))
        down = (self.down[:, None] * (shares[:, :, 1:] - shares[:, :, :-1]) ** 2).sum((2, 3))
        right = (self.right[:, None] * (shares[:, :, :, 1:] - shares[:, :, :, :-1]) ** 2).sum((2, 3))
        return cells + down + right

    def pull(self, shares: Tensor) -> Tensor:
        """The weighted sum of each cell's neighbours, ``(N, S, n, n)``."""
        pulled = torch.zeros_like(shares)
        pulled[:, :, :-1].addcmul_(self.down[:, None], shares[:, :, 1:])
        pulled[:, :, 1:].addcmul_(self.down[:, None], shares[:, :, :-1])
        pulled[:, :, :, :-1].addcmul_(self.right[:, None], shares[:, :, :, 1:])
        pulled[:, :, :, 1:].addcmul_(self.right[:, None], shares[:, :, :, :-1])
        return pulled

    def weight(self) -> Tensor:
        """The sum of the weights at each cell, ``(N, 1, n, n)``."""
        return (
            F.pad(self.down, (0, 0, 0, 1))
            + F.pad(self.down, (0, 0, 1, 0))
            + F.pad(self.right, (0, 1))
            + F.pad(self.right, (1, 0))
        )[:, None]

    def alone(self) -> Tensor:
        """What each label of a cell costs with neighbours of share 0, ``(N, 1, L, n, n)``."""
        values = torch.linspace(0, 1, self.unary.shape[1], device=self.unary.device).view(1, -1, 1, 1)
        return (self.unary + self.weight() * values**2)[:, None]


def label_steps(costs: Tensor) -> Tensor:
    """How strong the pull at a cell must be before its best label goes from ``k`` to ``k + 1`` or beyond.

    If the share ``v`` costs ``costs(v) - 2 v pull``, the best label never falls as the pull grows, and changes where
    the pull passes half a slope of the lower convex hull of ``costs``. Counting steps is much cheaper than looking for
    the least of a few costs in every cell, again for each pull.

    Args:
        costs (Tensor): ``(N, S, L, n, n)`` for the own shares ``0, 1 / (L - 1), ..., 1``.

    Returns:
        Tensor: ``(N, S, L - 1, n, n)``, not falling along the labels; the best label is the number of steps below the
        pull, and the smallest of several best ones.
    """
    last = costs.shape[2] - 1
    hull = []
    for k in range(last):
        ahead = [
            reduce(
                torch.minimum,
                [(costs[:, :, j] - costs[:, :, i]) * (last / (2 * (j - i))) for j in range(k + 1, last + 1)],
            )
            for i in range(k + 1)
        ]
        hull.append(reduce(torch.maximum, ahead))
    return torch.stack(hull, 2)


def best_shares(pull: Tensor, steps: Tensor) -> Tensor:
    """The best own share of each cell, ``(N, S, n, n)``, given its pull and the :func:`label_steps`."""
    return (pull[:, :, None] > steps).to(steps.dtype).mean(2)


def least_energy(energy: GridEnergy, anneal: int = 16, sweeps: int = 5) -> Tensor:
    """Labellings of low energy, for all grids at once and without a word from the host.

    Several starts run side by side: each flat labelling, the labelling that every cell would choose alone, and one that
    mean-field annealing finds. Each is improved by sweeps over the two colours of a chessboard, in which a cell takes
    the best label given its neighbours, so that the energy never rises. The best of all is taken, grid by grid.

    Args:
        energy (GridEnergy): What to minimise.
        anneal (int): Steps of the annealing. Defaults to 16.
        sweeps (int): Sweeps over the chessboard. Defaults to 5.

    Returns:
        Tensor: ``(N, n, n)`` own shares.
    """
    unary = energy.unary
    n, levels, rows, columns = unary.shape
    values = torch.linspace(0, 1, levels, device=unary.device).view(1, 1, -1, 1, 1)
    # With neighbours of shares s, a cell of share v costs alone(v) - 2 v pull(s), up to a constant.
    alone = energy.alone()
    annealed = torch.full((n, 1, rows, columns), 0.5, device=unary.device)
    spread = (alone.amax(2, keepdim=True) - alone.amin(2, keepdim=True)).mean((1, 2, 3, 4), keepdim=True)
    spread = spread.clamp(min=torch.finfo(spread.dtype).tiny * 1e3)
    kept = -alone
    for step in range(anneal):
        temperature = spread * (0.3 * (0.05 / 0.3) ** (step / max(anneal - 1, 1)))
        gains = torch.addcmul(kept, values, energy.pull(annealed)[:, :, None], value=2)
        annealed = ((gains / temperature).softmax(2) * values).sum(2)

    flat = values[0].expand(n, -1, -1, -1, -1)[:, 0].expand(-1, -1, rows, columns)
    rounded = (annealed * (levels - 1)).round() / (levels - 1)
    steps = label_steps(torch.cat([alone, unary[:, None]], 1))
    shares = torch.cat([flat, best_shares(torch.zeros_like(annealed), steps[:, 1:]), rounded], 1)
    place = torch.arange(rows, device=unary.device)[:, None] + torch.arange(columns, device=unary.device)
    black = place % 2 == 0
    for sweep in range(2 * sweeps):
        best = best_shares(energy.pull(shares), steps[:, :1])
        shares = torch.where(black if sweep % 2 == 0 else ~black, best, shares)
    chosen = energy(shares).argmin(1)
    return shares.gather(1, chosen.view(-1, 1, 1, 1).expand(-1, 1, rows, columns)).squeeze(1)
