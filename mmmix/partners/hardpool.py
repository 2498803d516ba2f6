"""Partners from a pool of recent hard samples."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.fields import choice, number, whole
from ..core.host import host
from ..core.roles import Partners
from ..ops.devices import Arriving, send
from ..ops.draws import permutation

#: What a pool may keep its images in.
_DTYPES = {
    'uint8': torch.uint8,
    'float16': torch.float16,
    'bfloat16': torch.bfloat16,
    'float32': torch.float32,
}

#: Of what would spoil images, what to keep them in instead, and what is wrong with them.
_WIDER = {
    torch.uint8: (torch.float16, 'are not whole grey levels, so uint8 would change them'),
    torch.float16: (torch.float32, 'are beyond the range of float16, in which they would be infinite'),
}

_NO_TABLE = (
    "HardPool asks the hard-sample memory: add dict(type='mmmix.HardSampleHook') to `custom_hooks`, or in a loop of "
    'your own set `model.hard_table = HardSampleTable(len(dataset))`.'
)


class HardPool(Partners):
    """Partners from a pool of recent hard samples: those that keep being misclassified.

    `HardMix: Considering Difficult Examples in Mixed Sample Data Augmentation
    <https://doi.org/10.32629/jai.v7i5.1518>`_ is public as an abstract only; the pool is our reading of it. It is a
    ring buffer on the device with the images of hard samples as the network last saw them, augmented and clean, each
    sample once. Which samples are hard says the table of :class:`mmmix.HardSampleHook`, which must be among the
    ``custom_hooks``. A sample that is no longer hard is not drawn any more, and its place is the first to be taken;
    then that of the sample that was renewed longest ago.

    While the hook warms up, or fewer than ``min_size`` samples of the pool are hard, partners are a random permutation.
    An image may meet an older view of itself. In a distributed run each rank keeps images that it saw itself. The pool
    is in checkpoints by :class:`mmmix.RandomStateHook`; without it, it fills again after a resume. Several mixers of
    one recipe each have their own pool, or share one that is built once and handed to all of them. Drawing and
    admission are settled on the host, where the table is: the device is never waited for.

    Raises:
        ValueError: If an argument is out of range, or images do not fit the ``dtype`` that was asked for.
        RuntimeError: During training, if there is no :class:`mmmix.MixClassifier` or no :class:`mmmix.HardSampleHook`.

    Example:
        >>> from mmmix import CutMix, HardPool
        >>> mixer = CutMix(alpha=1.0, prob=0.5, partners=HardPool(size=1024, prob=0.5))
    """

    on_host = True
    needs_model = True
    size: int = whole(default=512, least=1, doc='How many images the pool holds.')
    min_size: int = whole(default=32, least=1, doc='From how many hard images on it is used, at most ``size``.')
    prob: float = number(
        default=0.5,
        least=0,
        most=1,
        doc='Probability that a partner comes from the pool; the others are a permutation of the batch.',
    )
    dtype: str | None = choice(
        None,
        *_DTYPES,
        default=None,
        doc="What images are kept in: ``'uint8'`` (as grey levels before normalization), ``'float16'``, ``'bfloat16'`` "
        "or ``'float32'``. None is uint8 while images come back exactly, given ``mean`` and ``std`` of the "
        '``data_preprocessor``, else float16 while they are within its range, else float32. What the first images fit '
        'is logged with the memory, and so is each change for later ones, which reach the pool unspoilt.',
    )

    def __post_init__(self) -> None:
        """Begin with an empty pool."""
        if self.min_size > self.size:
            raise ValueError(f'HardPool: `min_size` must lie in [1, size={self.size}], but got {self.min_size!r}.')
        #: What the pool holds, on the device; None until the first hard sample.
        self.images: Tensor | None = None
        self.scores: Tensor | None = None
        #: The sample in each slot, -1 in an empty one, and when it was put there; on the host.
        self.sample_idx = torch.full((self.size,), -1)
        self._since = torch.zeros(self.size, dtype=torch.long)
        self._slot_of: dict[int, int] = {}
        self._clock = 0
        #: Whether the last admission spoilt images, on its way to the host; their slots, and the images themselves.
        self._spoilt: tuple[Arriving, Tensor, Tensor] | None = None
        #: Whether it was said that there is no table.
        self._warned = False
        #: The samples that the last batch got from the pool, on the host.
        self.drawn: Tensor = torch.zeros(0, dtype=torch.long)

    @property
    def fill(self) -> int:
        """How many images can be drawn: those of samples that are still hard."""
        table = getattr(self.model, 'hard_table', None)
        return 0 if table is None else int(table.is_hard(self.sample_idx).sum())

    @property
    def memory_bytes(self) -> int:
        """What the pool takes on the device, whether it is full or not."""
        return sum(held.nbytes for held in (self.images, self.scores) if held is not None)

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners, from the pool with probability ``prob``; only those drawn enter the returned pool."""
        model = self.require_model()
        table = getattr(model, 'hard_table', None)
        if not hasattr(model, 'hard_table') and not self._warned:  # that of MixClassifier is None without a hook
            self._warned = True
            host().warn(f'{_NO_TABLE} Until then partners are a permutation of the batch.')
        n, device = len(images), images.device
        self.drawn = self.drawn[:0]
        self._mend()
        if table is None or not table.active or not self._fits(images, scores):
            return images, scores, permutation(n, device)
        hard = table.is_hard(self.sample_idx).nonzero().squeeze(1)
        if len(hard) < self.min_size:
            return images, scores, permutation(n, device)
        assert self.images is not None
        assert self.scores is not None
        # All of this is drawn on the host, where the pool's contents are known, and sent over once.
        from_pool = torch.rand(n) < self.prob
        count = int(from_pool.sum())
        partner = torch.randperm(n)
        partner[from_pool] = n + torch.arange(count)
        chosen = hard[torch.randint(len(hard), (count,))]
        self.drawn = self.sample_idx[chosen]
        slots = send(chosen, device)
        hard_images = self._decode(self.images.index_select(0, slots), images.dtype)
        if images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last):
            hard_images = hard_images.contiguous(memory_format=torch.channels_last)
        hard_scores = self.scores.index_select(0, slots).to(scores.dtype)
        return torch.cat([images, hard_images]), torch.cat([scores, hard_scores]), send(partner, device)

    def observe(self, images: Tensor, scores: Tensor, sample_idx: Sequence[int]) -> None:
        """Take the hard samples of a clean batch into the pool; a sample that is there already is renewed."""
        table = getattr(self.require_model(), 'hard_table', None)
        if table is None:
            raise RuntimeError(_NO_TABLE)
        rows = table.is_hard(sample_idx).nonzero().squeeze(1).tolist()
        if not rows:
            return
        self._mend()
        images, scores = images.detach(), scores.detach()
        if not self._fits(images, scores):
            self._allocate(images, scores)
        assert self.images is not None
        assert self.scores is not None
        # A sample that came twice, as under repeated augmentation, is kept as it came last.
        row_of = {int(sample_idx[row]): row for row in rows}
        slots = send(self._place(list(row_of)[-self.size :], table), images.device)
        chosen = send(torch.tensor(list(row_of.values())[-self.size :]), images.device)
        hard_images = images.index_select(0, chosen)
        self.images.index_copy_(0, slots, self._encode(hard_images))
        if self.images.dtype in _WIDER:
            self._spoilt = Arriving(self._spoils(hard_images)), slots, hard_images
        self.scores.index_copy_(0, slots, scores.index_select(0, chosen).to(self.scores.dtype))

    def state_dict(self) -> dict[str, Any]:
        """What the pool holds; see :meth:`Partners.state_dict`."""
        self._mend()
        return dict(
            images=self.images, scores=self.scores, sample_idx=self.sample_idx, since=self._since, clock=self._clock
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Hold it again; see :meth:`Partners.load_state_dict`. A pool of another size begins empty."""
        if len(state['sample_idx']) != self.size:
            host().log(f'HardPool: a pool of {len(state["sample_idx"])} images was saved, so this one begins empty')
            return
        self.images, self.scores, self._clock = state['images'], state['scores'], state['clock']
        self.sample_idx, self._since = state['sample_idx'].cpu(), state['since'].cpu()
        self._slot_of = {sample: slot for slot, sample in enumerate(self.sample_idx.tolist()) if sample >= 0}
        self._spoilt = None

    def _place(self, samples: list[int], table: Any) -> Tensor:
        """Give each sample a slot: its own, or that of nobody, of one no longer hard, or of the one longest there."""
        self._clock += 1
        new = [sample for sample in samples if sample not in self._slot_of]
        self._since[[self._slot_of[sample] for sample in samples if sample in self._slot_of]] = self._clock
        if new:
            since = torch.where(table.is_hard(self.sample_idx), self._since, 0)
            slots = since.argsort(stable=True)[: len(new)]
            for old, slot, sample in zip(self.sample_idx[slots].tolist(), slots.tolist(), new, strict=True):
                self._slot_of.pop(old, None)
                self._slot_of[sample] = slot
            self.sample_idx[slots] = torch.tensor(new)
            self._since[slots] = self._clock
        return torch.tensor([self._slot_of[sample] for sample in samples])

    def _fits(self, images: Tensor, scores: Tensor) -> bool:
        """Whether the pool exists and holds images like these."""
        held, labels = self.images, self.scores
        return (
            held is not None
            and labels is not None
            and held.shape[1:] == images.shape[1:]
            and labels.shape[1] == scores.shape[1]
            and held.device == images.device
        )

    def _allocate(self, images: Tensor, scores: Tensor) -> None:
        """Make room for images like these; what was held before them is forgotten."""
        self.images = images.new_zeros((0, *images.shape[1:]), dtype=_DTYPES[self.dtype or 'uint8'])
        # Looking at the images makes the host wait for the device: here only, once.
        while self.images.dtype in _WIDER and bool(self._spoils(images)):
            self._widen()
        self.images = self.images.new_zeros((self.size, *images.shape[1:]))
        self.scores = scores.new_zeros(self.size, scores.shape[1])
        self.sample_idx.fill_(-1)
        self._since.zero_()
        self._slot_of = {}
        self._log()

    def _mend(self) -> None:
        """Keep all images in a wider type if the last admission spoilt some; a step later, so nobody waits for it."""
        sent, self._spoilt = self._spoilt, None
        if sent is None or not bool(sent[0].known()):
            return
        _, slots, images = sent
        assert self.images is not None
        while self.images.dtype in _WIDER and bool(self._spoils(images)):
            self._widen()
        self.images.index_copy_(0, slots, self._encode(images))
        self._log('for images unlike the first ones, ')

    def _spoils(self, images: Tensor) -> Tensor:
        """Whether images would not come back from the pool, ``()``; of floating point types, as infinite ones."""
        kept = self._encode(images)
        if kept.dtype == torch.uint8:
            return (self._decode(kept, images.dtype) != images).any()
        return (images.isfinite() & ~kept.isfinite()).any()

    def _widen(self) -> None:
        """Hold the images in the next wider type, unless one was asked for."""
        assert self.images is not None
        wider, reason = _WIDER[self.images.dtype]
        if self.dtype is not None:
            better = str(wider).removeprefix('torch.')
            raise ValueError(f'HardPool: these images {reason}: use dtype={better!r}, or leave `dtype` out.')
        # Part by part, to need little room; not joined, since autocast to the other half type refuses to join halves.
        held, self.images = self.images, torch.empty_like(self.images, dtype=wider)
        for old, new in zip(held.split(64), self.images.split(64), strict=True):
            new.copy_(self._decode(old, wider))

    def _log(self, why: str = '') -> None:
        assert self.images is not None
        shape = ' x '.join(map(str, self.images.shape[1:]))
        kept = f'as {str(self.images.dtype).removeprefix("torch.")} on {self.images.device}'
        host().log(f'HardPool: {why}{self.size} images of {shape} {kept}: {self.memory_bytes / 1e6:.2f} MB')

    def _normalization(self) -> tuple[Any, Any]:
        """``mean`` and ``std`` that turned grey levels into images."""
        preprocessor = getattr(self.model, 'data_preprocessor', None)
        return getattr(preprocessor, 'mean', 0.0), getattr(preprocessor, 'std', 1.0)

    def _encode(self, images: Tensor) -> Tensor:
        assert self.images is not None
        if self.images.dtype != torch.uint8:
            return images.to(self.images.dtype)
        mean, std = self._normalization()
        return (images.float() * std + mean).round().clamp(0, 255).to(torch.uint8)

    def _decode(self, held: Tensor, dtype: torch.dtype) -> Tensor:
        if held.dtype != torch.uint8:
            return held.to(dtype)
        mean, std = self._normalization()
        return ((held.float() - mean) / std).to(dtype)
