"""The memory behind HardMix: how often each training sample was misclassified."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core import check
from ..core.fields import number


class HardSampleTable:
    """Exponentially decayed counts of how often each training sample was seen and missed, on the CPU.

    With every observation the sample's counts are multiplied by ``momentum`` and one is added, so its hardness,
    ``missed / seen``, forgets slowly. A sample is *hard* when its hardness is above ``min_hardness`` and in the top
    ``fraction`` of all samples seen so far, ties included; :meth:`refresh` renews the bound between hard and not.

    ``fraction`` alone does not keep hard samples *frequently* misclassified: once a network fits its training set, the
    top fifth reaches down to samples that were missed once, long ago (in a simulated run of 200 epochs the bound falls
    to 0.002, and four fifths of the hard samples are below 0.05). With ``momentum=0.9`` a single miss weighs little
    more than 0.1 of a full memory, so ``min_hardness=0.2`` asks for a fifth of it, two late misses and more: nine in
    ten of the samples that are hard then were missed twice in their last ten observations, of those that
    ``min_hardness=0.1`` would leave one in two. Fewer samples are hard for that, in the end about 1 %.

    Args:
        length (int): Number of training samples.
        momentum (float): Weight of the past at each observation, in [0, 1). Defaults to 0.9.
        fraction (float): Which part of the seen samples counts as hard, in (0, 1]. Defaults to 0.2.
        min_hardness (float): Samples must be harder than this, in [0, 1). Defaults to 0.2.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from mmmix import HardSampleTable
        >>> table = HardSampleTable(4, fraction=0.5)
        >>> table.update([0, 1, 2], [False, True, True])
        >>> table.hard_mask().tolist()
        [False, True, True, False]
    """

    def __init__(self, length: int, momentum: float = 0.9, fraction: float = 0.2, min_hardness: float = 0.2):
        self.momentum, self.fraction, self.min_hardness = check_table(self, momentum, fraction, min_hardness)
        self.seen = torch.zeros(length)
        self.missed = torch.zeros(length)
        self.bound = float('inf')
        #: An observation is a hit or a miss.
        self.outcome = torch.zeros((), dtype=torch.bool)
        #: Whether partners may be drawn by it yet; the hook opens it after its warm-up.
        self.active = True

    def __len__(self) -> int:
        return len(self.seen)

    def update(self, sample_idx: Sequence[int] | Tensor, missed: Sequence[bool] | Tensor) -> None:
        """Count observations, in order; a sample may come more than once.

        Args:
            sample_idx (Sequence[int] | Tensor): ``(n,)`` indices into the training set.
            missed (Sequence[bool] | Tensor): ``(n,)`` whether each was misclassified.

        Raises:
            ValueError: If an index is none of the training set.
        """
        idx = torch.as_tensor(sample_idx, dtype=torch.long)
        miss = torch.as_tensor(missed).to(self.missed.dtype)
        check_indices(idx, len(self))
        if len(idx) == 0:
            return
        for rows in _rounds(idx):
            at = idx[rows]
            self.seen[at] = self.momentum * self.seen[at] + 1
            self.missed[at] = self.momentum * self.missed[at] + miss[rows]

    def hardness(self) -> Tensor:
        """``missed / seen`` of every sample, ``(length,)`` in [0, 1]; 0 where nothing was seen."""
        return self.missed / self.seen.clamp(min=1)

    def refresh(self) -> None:
        """Renew the bound between hard and not hard; once an epoch is enough."""
        seen = self.hardness()[self.seen > 0]
        if len(seen) == 0:
            self.bound = float('inf')
            return
        count = max(1, round(self.fraction * len(seen)))
        self.bound = float(seen.kthvalue(len(seen) - count + 1).values)

    def is_hard(self, sample_idx: Sequence[int] | Tensor) -> Tensor:
        """Whether each of these samples is hard by the bound in force, ``(n,)``, bool; negative indices never are."""
        at = torch.as_tensor(sample_idx, dtype=torch.long)
        known = at >= 0
        at = at.clamp(min=0)
        hardness = self.missed[at] / self.seen[at].clamp(min=1)
        return known & (hardness >= self.bound) & (hardness > self.min_hardness)

    def hard_mask(self) -> Tensor:
        """Whether each sample of the training set is hard, by a fresh bound, ``(length,)``, bool."""
        self.refresh()
        return self.is_hard(torch.arange(len(self)))

    def state_dict(self) -> dict[str, Tensor]:
        """``seen`` and ``missed``, copies, ``(length,)`` each."""
        return dict(seen=self.seen.clone(), missed=self.missed.clone())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over saved counts.

        Raises:
            ValueError: If they are of another training set.
        """
        if len(state['seen']) != len(self) or len(state['missed']) != len(self):
            raise ValueError(
                f'The saved hard-sample table has {len(state["seen"])} rows but the training set has {len(self)} '
                'samples: resume with the data set that the run began with, or start a new run.'
            )
        self.seen = state['seen'].detach().cpu().float().clone()
        self.missed = state['missed'].detach().cpu().float().clone()
        self.refresh()


def check_indices(idx: Tensor, length: int) -> None:
    """Refuse indices of samples that are none of the training set.

    Args:
        idx (Tensor): ``(n,)``, perhaps none.
        length (int): How many samples there are.

    Raises:
        ValueError: If one is out of range.
    """
    if len(idx) and (int(idx.min()) < 0 or int(idx.max()) >= length):
        raise ValueError(
            f'Sample indices run from {int(idx.min())} to {int(idx.max())}, but the table has {length} rows: '
            'indices must be those of the training set.'
        )


def check_table(owner: Any, momentum: float, fraction: float, min_hardness: float) -> tuple[float, ...]:
    """The arguments of a table, or the error of the one that is out of range.

    Args:
        owner (Any): Who was given them, for the error.
        momentum (float): As in :class:`HardSampleTable`.
        fraction (float): As in :class:`HardSampleTable`.
        min_hardness (float): As in :class:`HardSampleTable`.

    Raises:
        ValueError: If one of them is out of range.
    """
    return check(
        owner,
        momentum=(momentum, number(least=0, below=1, like=0.9)),
        fraction=(fraction, number(above=0, most=1, like=0.2)),
        min_hardness=(min_hardness, number(least=0, below=1, like=0.2)),
    )


def _rounds(idx: Tensor) -> tuple[Tensor, ...]:
    """Split rows so that no index comes twice in one round: first occurrences, second ones, and so on."""
    order = idx.argsort(stable=True)
    ordered = idx[order]
    position = torch.arange(len(idx))
    starts = torch.cat([torch.ones(1, dtype=torch.bool), ordered[1:] != ordered[:-1]])
    occurrence = torch.empty_like(idx)
    occurrence[order] = position - position[starts][starts.cumsum(0) - 1]
    return occurrence.argsort(stable=True).split(occurrence.bincount().tolist())
