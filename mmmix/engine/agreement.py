"""How all ranks come to one table of hard samples, and how outcomes come to the host without anybody waiting."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine import dist
from torch import Tensor

from ..ops.devices import Arriving
from .hard_sample_table import HardSampleTable


@dataclass
class Outcomes:
    """What the network made of the samples of one iteration, on its way to the host.

    Attributes:
        iteration (int): When.
        idx (Tensor): ``(n,)`` indices of samples, negative for those that must not be counted.
        outcome (Arriving): ``(n,)`` 0 a hit, 1 a miss, -1 not known.
    """

    iteration: int
    idx: Tensor
    outcome: Arriving

    @classmethod
    def sent(cls, iteration: int, idx: Tensor, outcome: Tensor) -> 'Outcomes':
        """Copy outcomes to the host without waiting for them."""
        return cls(iteration, idx, Arriving(outcome))

    def known(self) -> tuple[Tensor, Tensor]:
        """Indices of the samples to count, and whether each was missed; waits for what is still on its way."""
        outcome = self.outcome.known()
        rows = (self.idx >= 0) & (outcome >= 0)
        return self.idx[rows], outcome[rows] > 0


class SharedTable:
    """A table of hard samples that each rank counts into by itself, and that all ranks agree on now and then.

    Args:
        table (HardSampleTable): The table of this rank.
    """

    def __init__(self, table: HardSampleTable):
        self.table = table
        #: The state of the last agreement: what a checkpoint saves.
        self.agreed = table.state_dict()
        self._log: list[tuple[int, Tensor, Tensor]] = []

    def count(self, iteration: int, idx: Tensor, missed: Tensor) -> None:
        """Count what this rank saw in an iteration: ``(n,)`` indices, and whether each was missed."""
        self.table.update(idx, missed)
        self._log.append((iteration, idx, missed))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over a saved state, which all ranks have in common."""
        self.table.load_state_dict(state)
        self.agreed = self.table.state_dict()

    def agree(self) -> None:
        """Apply what all ranks saw since they last agreed, in one order, and renew the bound of what is hard."""
        if dist.get_world_size() > 1:
            seen = in_one_order(gathered(as_rows(self._log)))
            self.table.load_state_dict(self.agreed)
            self.table.update(seen[:, 1], seen[:, 2] > 0)
        self.table.refresh()
        self._log = []
        self.agreed = self.table.state_dict()


def as_rows(log: Sequence[tuple[int, Tensor, Tensor]]) -> Tensor:
    """What a rank saw, as rows of iteration, index and miss, ``(n, 3)``."""
    parts = [torch.stack([torch.full_like(idx, i), idx, missed.long()], 1) for i, idx, missed in log]
    return torch.cat(parts) if parts else torch.zeros(0, 3, dtype=torch.long)


def gathered(rows: Tensor) -> list[Tensor]:
    """The rows of every rank, from the first to the last; each may have another number of them."""
    counts = [int(count) for count in dist.all_gather(torch.tensor([len(rows)]))]
    if not max(counts):
        return [rows]
    padded = torch.cat([rows, rows.new_zeros(max(counts) - len(rows), rows.shape[1])])
    return [theirs[:count] for theirs, count in zip(dist.all_gather(padded), counts, strict=True)]


def in_one_order(of_ranks: Sequence[Tensor]) -> Tensor:
    """What all ranks saw, iteration by iteration and rank by rank: equal for everybody who puts it together.

    Args:
        of_ranks (Sequence[Tensor]): ``(n, 3)`` rows of iteration, index and miss of each rank.

    Example:
        >>> import torch
        >>> from mmmix.engine.agreement import in_one_order
        >>> in_one_order([torch.tensor([[0, 7, 1], [1, 8, 0]]), torch.tensor([[0, 9, 0]])])[:, 1].tolist()
        [7, 9, 8]
    """
    seen = torch.cat(list(of_ranks))
    return seen[seen[:, 0].argsort(stable=True)]
