"""Who is mixed in: policies that choose a partner for every image of a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .part import Partners
from .registry import TASK_UTILS

__all__ = ['HardPool', 'Partners', 'Permutation']


def permutation(count: int, device: torch.device) -> Tensor:
    """A uniform permutation, drawn on the device; sorting noise there needs no word with the host."""
    if device.type == 'cpu':
        return torch.randperm(count)
    return torch.rand(count, device=device, dtype=torch.float64).argsort()


def send(values: Tensor, device: torch.device) -> Tensor:
    """Move a small tensor from the host to the device without waiting for either."""
    if device.type == 'cpu':
        return values
    return values.pin_memory().to(device, non_blocking=True)


@TASK_UTILS.register_module()
class Permutation(Partners):
    """A random permutation of the batch, as in Mixup and CutMix: an image may meet itself.

    Example:
        >>> import torch
        >>> from mmmix import Permutation
        >>> pool, scores, partner = Permutation()(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> sorted(partner.tolist())
        [0, 1, 2, 3]
    """

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return images, scores, permutation(len(images), images.device)


@TASK_UTILS.register_module()
class HardPool(Partners):
    """Partners from a pool of recent hard samples: those that keep being misclassified.

    `HardMix: Considering Difficult Examples in Mixed Sample Data Augmentation <https://doi.org/10.32629/jai.v7i5.1518>`_ is
    public as an abstract only; the pool is our reading of it. It is a ring buffer on the device with the images of hard
    samples as the network last saw them, augmented and normalised, each sample once. Which samples are hard says the
    table of :class:`mmmix.HardSampleHook`, which must be among the ``custom_hooks``. While the hook warms up, or the pool
    holds fewer than ``min_size`` images, partners are a random permutation. In a distributed run each rank has its own
    pool; after a resume it fills again.

    Args:
        size (int): How many images the pool holds. Defaults to 512.
        min_size (int): From how many images on it is used. Defaults to 32.
        prob (float): Probability that a partner comes from the pool; the others are a permutation of the batch.
            Defaults to 0.5.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: During training, if there is no :class:`mmmix.MixClassifier` or no :class:`mmmix.HardSampleHook`.

    Example:
        >>> from mmmix import CutMix, HardPool
        >>> mixer = CutMix(alpha=1.0, prob=0.5, partners=HardPool(size=1024, prob=0.5))
    """

    needs_model = True

    def __init__(self, size: int = 512, min_size: int = 32, prob: float = 0.5):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f'HardPool: `size` must be a positive number of images, e.g. 512, but got {size!r}.')
        if not isinstance(min_size, int) or not 1 <= min_size <= size:
            raise ValueError(f'HardPool: `min_size` must lie in [1, size={size}], but got {min_size!r}.')
        if isinstance(prob, bool) or not isinstance(prob, (int, float)) or not 0 <= prob <= 1:
            raise ValueError(f'HardPool: `prob` must lie in [0, 1], e.g. prob=0.5, but got {prob!r}.')
        self.size = size
        self.min_size = min_size
        self.prob = float(prob)
        self.images: Tensor | None = None
        self.scores: Tensor | None = None
        #: The sample in each slot, oldest slots are overwritten first.
        self.sample_idx: list[int] = []
        self._slot_of: dict[int, int] = {}
        self._cursor = 0

    @property
    def fill(self) -> int:
        """How many images the pool holds."""
        return len(self.sample_idx)

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners, from the pool with probability ``prob``; only the chosen pool images enter the returned pool."""
        table = getattr(self.require_model(), 'hard_table', None)
        n, device = len(images), images.device
        if (self.images is None or self.scores is None or self.fill < self.min_size or table is None or not table.active
                or self.images.shape[1:] != images.shape[1:]):
            return images, scores, permutation(n, device)
        # All of this is drawn on the host, where the pool's contents are known, and sent over once.
        from_pool = torch.rand(n) < self.prob
        count = int(from_pool.sum())
        partner = torch.randperm(n)
        partner[from_pool] = n + torch.arange(count)
        slots = send(torch.randint(self.fill, (count, )), device)
        hard_images = self.images.index_select(0, slots).to(images.dtype)
        hard_scores = self.scores.index_select(0, slots).to(scores.dtype)
        return torch.cat([images, hard_images]), torch.cat([scores, hard_scores]), send(partner, device)

    def observe(self, images: Tensor, scores: Tensor, sample_idx: Sequence[int]) -> None:
        """Take the hard samples of a clean batch into the pool; a sample that is there already is renewed."""
        table = getattr(self.require_model(), 'hard_table', None)
        if table is None:
            raise RuntimeError("HardPool asks the hard-sample memory: add dict(type='mmmix.HardSampleHook') to `custom_hooks`.")
        rows = table.is_hard(sample_idx).nonzero().squeeze(1).tolist()
        if not rows:
            return
        if self.images is None or self.scores is None or self.images.shape[1:] != images.shape[1:]:
            self.images = images.new_zeros(self.size, *images.shape[1:])
            self.scores = scores.new_zeros(self.size, scores.shape[1])
            self.sample_idx, self._slot_of, self._cursor = [], {}, 0
        row_of_slot = {self._slot(int(sample_idx[row])): row for row in rows}
        slots = send(torch.tensor(list(row_of_slot)), images.device)
        chosen = send(torch.tensor(list(row_of_slot.values())), images.device)
        self.images.index_copy_(0, slots, images.detach().index_select(0, chosen).to(self.images.dtype))
        self.scores.index_copy_(0, slots, scores.detach().index_select(0, chosen).to(self.scores.dtype))

    def _slot(self, sample: int) -> int:
        """The slot of a sample: its own, a free one, or the oldest."""
        if sample in self._slot_of:
            return self._slot_of[sample]
        slot = self._cursor
        self._cursor = (slot + 1) % self.size
        if slot < self.fill:
            del self._slot_of[self.sample_idx[slot]]
            self.sample_idx[slot] = sample
        else:
            self.sample_idx.append(sample)
        self._slot_of[sample] = slot
        return slot
