"""How all ranks come to one table of samples, and how outcomes come to the host without anybody waiting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from mmengine import dist
from torch import Tensor

from ..ops.devices import Arriving


class SampleTable(Protocol):
    """A table of one row per training sample.

    Attributes:
        outcome: What one observation of one sample is like: a tensor of its shape and dtype, whole numbers or bool.
    """

    outcome: Tensor

    def __len__(self) -> int: ...

    def update(self, sample_idx: Tensor, outcomes: Tensor) -> None:
        """Take in observations, in order."""

    def state_dict(self) -> dict[str, Tensor]:
        """All of it, in copies."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state_dict` gave."""


T = TypeVar('T', bound=SampleTable)


@dataclass
class Outcomes:
    """What the network made of the samples of one iteration, on its way to the host.

    Attributes:
        iteration (int): When.
        idx (Tensor): ``(n,)`` indices of samples, negative for those that must not be counted.
        outcome (Arriving): ``(n, ...)`` what was seen; its first number is negative where nothing is known.
    """

    iteration: int
    idx: Tensor
    outcome: Arriving

    @classmethod
    def sent(cls, iteration: int, idx: Tensor, outcome: Tensor) -> 'Outcomes':
        """Copy outcomes to the host without waiting for them."""
        return cls(iteration, idx, Arriving(outcome))

    def known(self) -> tuple[Tensor, Tensor]:
        """Indices of the samples to count, and what was seen of each; waits for what is still on its way."""
        outcome = self.outcome.known()
        rows = (self.idx >= 0) & (outcome.reshape(len(self.idx), -1)[:, 0] >= 0)
        return self.idx[rows], outcome[rows]


class SharedTable(Generic[T]):
    """A table of samples that each rank counts into by itself, and that all ranks agree on now and then.

    Args:
        table (SampleTable): The table of this rank.
    """

    def __init__(self, table: T):
        self.table = table
        #: The state of the last agreement: what a checkpoint saves.
        self.agreed = table.state_dict()
        self._log: list[tuple[int, Tensor, Tensor]] = []

    def count(self, iteration: int, idx: Tensor, outcome: Tensor) -> None:
        """Count what this rank saw in an iteration: ``(n,)`` indices, and ``(n, ...)`` what was seen of each."""
        self.table.update(idx, outcome)
        if dist.get_world_size() > 1:
            self._log.append((iteration, idx, outcome))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over a saved state, which all ranks have in common."""
        self.table.load_state_dict(state)
        self.agreed = self.table.state_dict()

    def agree(self) -> None:
        """Apply what all ranks saw since they last agreed, in one order."""
        if dist.get_world_size() > 1:
            like = self.table.outcome
            seen = in_one_order(gathered(as_rows(self._log, like.numel())))
            self.table.load_state_dict(self.agreed)
            self.table.update(seen[:, 1], seen[:, 2:].reshape(-1, *like.shape).to(like.dtype))
        self._log = []
        self.agreed = self.table.state_dict()


def as_rows(log: Sequence[tuple[int, Tensor, Tensor]], width: int = 1) -> Tensor:
    """What a rank saw, as rows of iteration, index and outcome.

    Args:
        log (Sequence[tuple[int, Tensor, Tensor]]): Iterations with ``(n,)`` indices and ``(n, ...)`` outcomes.
        width (int): How many numbers an outcome has. Defaults to 1.

    Returns:
        Tensor: ``(n, 2 + width)``, int32, half the bytes to send.
    """
    parts = [
        torch.cat([torch.stack([torch.full_like(idx, i), idx], 1), outcome.reshape(len(idx), width)], 1).int()
        for i, idx, outcome in log
    ]
    return torch.cat(parts) if parts else torch.zeros(0, 2 + width, dtype=torch.int32)


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
        of_ranks (Sequence[Tensor]): ``(n, 2 + width)`` rows of iteration, index and outcome of each rank.

    Example:
        >>> import torch
        >>> from mmmix.engine.agreement import in_one_order
        >>> in_one_order([torch.tensor([[0, 7, 1], [1, 8, 0]]), torch.tensor([[0, 9, 0]])])[:, 1].tolist()
        [7, 9, 8]
    """
    seen = torch.cat(list(of_ranks))
    return seen[seen[:, 0].argsort(stable=True)]
