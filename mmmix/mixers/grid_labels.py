"""Energies of labelled grids, as PuzzleMix has them, and a batched search for labellings of low energy."""

from dataclasses import dataclass

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
    # With neighbours of shares s, a cell of share v costs unary(v) + weight v^2 - 2 v pull(s), up to a constant.
    alone = unary[:, None] + (energy.weight() * values[0] ** 2)[:, None]

    def costs(shares: Tensor) -> Tensor:
        return torch.addcmul(alone, values, energy.pull(shares)[:, :, None], value=-2)

    annealed = torch.full((n, 1, rows, columns), 0.5, device=unary.device)
    spread = (alone.amax(2, keepdim=True) - alone.amin(2, keepdim=True)).mean((1, 2, 3, 4), keepdim=True)
    spread = spread.clamp(min=torch.finfo(spread.dtype).tiny * 1e3)
    for step in range(anneal):
        temperature = spread * (0.3 * (0.05 / 0.3) ** (step / max(anneal - 1, 1)))
        annealed = ((-costs(annealed) / temperature).softmax(2) * values).sum(2)

    flat = values[0].expand(n, -1, -1, -1, -1)[:, 0].expand(-1, -1, rows, columns)
    rounded = (annealed * (levels - 1)).round() / (levels - 1)
    shares = torch.cat([flat, unary.argmin(1, keepdim=True) / (levels - 1), rounded], 1)
    place = torch.arange(rows, device=unary.device)[:, None] + torch.arange(columns, device=unary.device)
    black = place % 2 == 0
    for sweep in range(2 * sweeps):
        best = costs(shares).argmin(2) / (levels - 1)
        shares = torch.where(black if sweep % 2 == 0 else ~black, best, shares)
    chosen = energy(shares).argmin(1)
    return shares.gather(1, chosen.view(-1, 1, 1, 1).expand(-1, 1, rows, columns)).squeeze(1)
