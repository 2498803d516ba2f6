"""Puzzle Mix's energy: seams between images, salience that is lost, a prior around the drawn share."""

from math import comb

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid_energy import GridEnergy


def seams(own: Tensor, other: Tensor, n: int, size: int) -> tuple[Tensor, Tensor]:
    """How unlike pixels are across the borders of cells, for each choice of image on both sides.

    Args:
        own (Tensor): ``(N, C, H, W)``.
        other (Tensor): ``(N, C, H, W)``.
        n (int): Cells a side.
        size (int): Pixels are averaged over squares of about this side first.

    Returns:
        tuple[Tensor, Tensor]: ``(2, 2, N, n - 1, n)`` and ``(2, 2, N, n, n - 1)``, float32: the first index is the
        image above (left), 0 the partner and 1 the own one, the second that below (right).
    """
    k = max(1, min(own.shape[-2:]) // n // size)
    own, other = own.float(), other.float()
    range_ = (own.amax() - own.amin()).clamp(min=1e-6)
    pair = [F.adaptive_avg_pool2d(images, (n * k, n * k)) / range_ for images in (other, own)]
    down = torch.stack([_across(a, b, k) for a in pair for b in pair])
    pair = [images.transpose(2, 3) for images in pair]
    right = torch.stack([_across(a, b, k) for a in pair for b in pair]).transpose(2, 3)
    return down.unflatten(0, (2, 2)), right.unflatten(0, (2, 2))


def _across(above: Tensor, below: Tensor, k: int) -> Tensor:
    """The mean absolute difference of each cell's last row in one image and the next cell's first row in another."""
    difference = (above[:, :, k - 1 : -1 : k] - below[:, :, k::k]).abs().mean(1)
    return difference.unflatten(2, (-1, k)).mean(3)


def puzzle_energy(
    mine: Tensor,
    theirs: Tensor,
    down: Tensor,
    right: Tensor,
    share: Tensor,
    *,
    beta: float,
    gamma: float,
    eta: float,
    n_labels: int,
) -> GridEnergy:
    """The energy that PuzzleMix's mask makes least.

    Args:
        mine (Tensor): ``(N, 1, n, n)`` salience of the own cells, summing to 1.
        theirs (Tensor): ``(N, 1, n, n)`` that of the partner's.
        down (Tensor): ``(2, 2, N, n - 1, n)``, see :func:`seams`.
        right (Tensor): ``(2, 2, N, n, n - 1)``.
        share (Tensor): ``(N,)`` drawn own shares.
        beta (float): Weight of unlike neighbours.
        gamma (float): Weight of the seams, relative to ``beta``.
        eta (float): Weight of the prior.
        n_labels (int): How many own shares a cell may have.
    """
    n = mine.shape[-1]
    weight = beta / n / 16
    down, right = weight * gamma * down, weight * gamma * right
    # What a cell loses if it is the partner's, and if it is the own image's: the other one's salience, and its part in
    # the seams around it, averaged over what its neighbours may be.
    loses = []
    for image, salience in ((0, mine), (1, theirs)):
        loss = salience[:, 0].clone()
        loss[:, :-1] += down[image].mean(0)
        loss[:, 1:] += down[:, image].mean(0)
        loss[:, :, :-1] += right[image].mean(0)
        loss[:, :, 1:] += right[:, image].mean(0)
        loses.append(loss[:, None])
    values = torch.linspace(0, 1, n_labels, device=mine.device).view(1, -1, 1, 1)
    unary = (1 - values) * loses[0] + values * loses[1] + eta / n**2 * binomial_prior(share, n_labels)[:, :, None, None]
    mixed = [(d[1, 0] + d[0, 1] - d[1, 1] - d[0, 0]) / 2 for d in (down, right)]
    return GridEnergy(unary, (weight + mixed[0]).clamp(min=0), (weight + mixed[1]).clamp(min=0))


def binomial_prior(share: Tensor, n_labels: int) -> Tensor:
    """Minus the logarithm of a binomial law of the labels around the drawn share: ``(N, n_labels)``."""
    tries = n_labels - 1
    likelihood = [comb(tries, hits) * share**hits * (1 - share) ** (tries - hits) for hits in range(n_labels)]
    return -(torch.stack(likelihood, 1) + 1e-8).log()
