"""The memory behind ``clean_pass='memory'``: what the network said of each training sample when it saw it unmixed."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core import check
from ..core.fields import whole
from ..partners.hard_sample_table import check_indices


class PredictionTable:
    """The largest probabilities of each training sample, as the network gave them last, on the CPU.

    A sample has ``top`` classes with their probabilities; what is left is spread evenly over the others. A row takes
    ``4 * top + 1`` bytes, so that the 1,281,167 images of ImageNet take 26.9 MB with ``top=5``.

    Args:
        length (int): Number of training samples.
        classes (int): Number of classes, at most 32,767.
        top (int): How many classes of a sample are remembered, fewer if there are not so many. Defaults to 5.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix.engine import PredictionTable
        >>> table = PredictionTable(4, classes=3, top=2)
        >>> table.update([2], PredictionTable.compact(torch.tensor([[2.0, 0.0, 1.0]]), top=2))
        >>> table.known([1, 2]).tolist()
        [False, True]
        >>> table.probabilities(table.rows([2]), classes=3).argmax(1).tolist()
        [0]
    """

    def __init__(self, length: int, classes: int, top: int = 5):
        classes, top = check(
            self, classes=(classes, whole(least=1, most=32767, like=10)), top=(top, whole(least=1, like=5))
        )
        self.num_classes = classes
        self.top = min(top, classes)
        #: Classes and the bits of their float16 probabilities; ``(length, top)`` each.
        self.classes = torch.zeros(length, self.top, dtype=torch.int16)
        self.bits = torch.zeros(length, self.top, dtype=torch.int16)
        self.seen = torch.zeros(length, dtype=torch.bool)
        #: An observation is what :meth:`compact` gives.
        self.outcome = torch.zeros(2, self.top, dtype=torch.int16)

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def memory_bytes(self) -> int:
        """What the table takes on the host."""
        return self.classes.nbytes + self.bits.nbytes + self.seen.nbytes

    @staticmethod
    def compact(logits: Tensor, top: int) -> Tensor:
        """What is remembered of predictions ``(n, K)``: ``(n, 2, top)`` int16, classes and bits of probabilities."""
        found = logits.detach().float().softmax(1).topk(min(top, logits.shape[1]), dim=1)
        return torch.stack([found.indices.to(torch.int16), found.values.half().view(torch.int16)], 1)

    @staticmethod
    def probabilities(rows: Tensor, classes: int) -> Tensor:
        """The probabilities ``(n, classes)`` behind what :meth:`compact` gave, float32; they add up to 1."""
        at, values = rows[:, 0].long(), rows[:, 1].contiguous().view(torch.float16).float()
        left = (1 - values.sum(1, keepdim=True)).clamp_min(0) / max(1, classes - at.shape[1])
        spread = left.expand(-1, classes).scatter(1, at, values)
        return spread / spread.sum(1, keepdim=True)

    def update(self, sample_idx: Sequence[int] | Tensor, rows: Tensor) -> None:
        """Remember predictions, in order: of a sample that comes more than once the last one stays.

        Args:
            sample_idx (Sequence[int] | Tensor): ``(n,)`` indices into the training set.
            rows (Tensor): ``(n, 2, top)``, what :meth:`compact` gave.

        Raises:
            ValueError: If an index is none of the training set.
        """
        idx = torch.as_tensor(sample_idx, dtype=torch.long)
        check_indices(idx, len(self))
        if len(idx) == 0:
            return
        order = idx.argsort(stable=True)
        ordered = idx[order]
        last = order[torch.cat([ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool)])]
        self.classes[idx[last]], self.bits[idx[last]] = rows[last, 0], rows[last, 1]
        self.seen[idx[last]] = True

    def known(self, sample_idx: Sequence[int] | Tensor) -> Tensor:
        """Whether each of these samples was seen unmixed, ``(n,)`` bool; negative indices never were."""
        at = torch.as_tensor(sample_idx, dtype=torch.long)
        return (at >= 0) & self.seen[at.clamp(min=0)]

    def rows(self, sample_idx: Sequence[int] | Tensor) -> Tensor:
        """What is remembered of these samples, ``(n, 2, top)`` int16; of unknown ones class 0 and probability 0."""
        at = torch.as_tensor(sample_idx, dtype=torch.long).clamp(min=0)
        return torch.stack([self.classes[at], self.bits[at]], 1)

    def state_dict(self) -> dict[str, Tensor]:
        """``classes``, ``bits`` and ``seen``, copies."""
        return dict(classes=self.classes.clone(), bits=self.bits.clone(), seen=self.seen.clone())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over what was saved.

        Raises:
            ValueError: If it is of another training set, or of another ``top``.
        """
        if state['classes'].shape != self.classes.shape:
            (rows, top), (own, width) = state['classes'].shape, self.classes.shape
            raise ValueError(
                f'The saved predictions are {top} classes of {rows} samples, but this run has {width} of {own}: resume '
                'with the data set and the `top` that the run began with, or start a new run.'
            )
        self.classes, self.bits = (state[name].detach().cpu().to(torch.int16).clone() for name in ('classes', 'bits'))
        self.seen = state['seen'].detach().cpu().bool().clone()
