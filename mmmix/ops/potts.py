"""Co-Mixup's assignment: which input each cell of each output shows, at low energy, for all parts at once."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PottsField:
    """One labelled grid for each part: a cost for each label in each cell, and one price for unlike neighbours.

    Attributes:
        cost (Tensor): ``(B, L, rows, columns)``.
        price (float): What a pair of unlike neighbours costs.
    """

    cost: Tensor
    price: float

    def __call__(self, labels: Tensor) -> Tensor:
        """The energies of labellings ``(B, S, rows, columns)``: ``(B, S)``."""
        cells = self.cost.gather(1, labels).sum((2, 3))
        unlike = (labels[:, :, 1:] != labels[:, :, :-1]).sum((2, 3)) + (labels[..., 1:] != labels[..., :-1]).sum((2, 3))
        return cells + self.price * unlike

    def lower(self, labels: Tensor, sweeps: int = 3) -> Tensor:
        """A labelling ``(B, rows, columns)`` of no higher energy than ``labels`` has.

        Starts from it, from the best flat labelling and from the best label of each cell alone.
        """
        count, _, rows, columns = self.cost.shape
        flat = self.cost.sum((2, 3)).argmin(1).view(-1, 1, 1).expand(-1, rows, columns)
        starts = torch.stack([labels, flat, self.cost.argmin(1)], 1)
        place = torch.arange(rows, device=labels.device)[:, None] + torch.arange(columns, device=labels.device)
        found = starts
        for colour in range(2 * sweeps):
            like = torch.zeros(*found.shape[:2], *self.cost.shape[1:], device=labels.device)
            hot = torch.zeros_like(like).scatter_(2, found[:, :, None], 1.0)
            like[..., 1:, :] += hot[..., :-1, :]
            like[..., :-1, :] += hot[..., 1:, :]
            like[..., 1:] += hot[..., :-1]
            like[..., :-1] += hot[..., 1:]
            best = (self.cost[:, None] - self.price * like).argmin(2)
            found = torch.where(place % 2 == colour % 2, best, found)
        chosen = self(found).argmin(1).view(count, 1, 1, 1).expand(-1, 1, rows, columns)
        return found.gather(1, chosen).squeeze(1)


def label_counts(labels: Tensor, size: int) -> Tensor:
    """How many cells of each output show each input: ``(B, P, rows, columns)`` -> ``(B, P, size)``, float32."""
    flat = labels.flatten(2)
    counts = torch.zeros(*flat.shape[:2], size, device=labels.device)
    return counts.scatter_add_(2, flat, counts.new_ones(()).expand(flat.shape))


def own_first(labels: Tensor, counts: Tensor) -> Tensor:
    """Order the outputs of each part so that each stands where an input is that it shows a lot, greedily.

    Args:
        labels (Tensor): ``(B, P, rows, columns)``.
        counts (Tensor): ``(B, P, P)`` cells of each output that show each input.

    Returns:
        Tensor: ``(B, P, rows, columns)``, the outputs in their new order.
    """
    parts, size = counts.shape[:2]
    free = counts.clone()
    order = torch.zeros(parts, size, dtype=torch.long, device=labels.device)
    for _ in range(size):
        best = free.flatten(1).argmax(1)
        output, place = best[:, None] // size, best[:, None] % size
        order.scatter_(1, place, output)
        free.scatter_(1, output[:, :, None].expand(-1, -1, size), -1.0)
        free.scatter_(2, place[:, :, None].expand(-1, size, -1), -1.0)
    return labels.gather(1, order[:, :, None, None].expand_as(labels))
