"""Batches of training data whose random draws follow from their place in the run, whoever loads them."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine import dist
from torch.utils.data import Sampler, get_worker_info

from .random_states import RandomState, seed_draws
from .sampling import begin_loading_again


class SeededIndices(list):
    """The indices of a batch, and what its draws are seeded with: run, rank and place."""

    key: tuple[int, ...]


class SeededBatches(Sampler):
    """A batch sampler that numbers its batches over the whole run.

    Args:
        inner (Sampler): The batch sampler of the training loader.
        seed (int): Of the run.
    """

    def __init__(self, inner: Any, seed: int):
        self.inner, self.seed = inner, seed
        #: The number of the batch that is drawn next.
        self.count = 0

    def __iter__(self) -> Iterator[SeededIndices]:
        for batch in self.inner:
            indices = SeededIndices(batch)
            indices.key = (self.seed, dist.get_rank(), self.count)
            self.count += 1
            yield indices

    def __len__(self) -> int:
        return len(self.inner)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the inner one's: ``sampler``, ``batch_size``, ``drop_last``."""
        if name == 'inner':
            raise AttributeError(name)
        return getattr(self.inner, name)


class SeededFetch:
    """Fetch the samples of a batch with draws that follow from its key, and leave the random state as it was.

    It takes the place that PyTorch's loader has for data sets that fetch whole batches, as ``IdentifiedFetch`` does, so
    that worker processes inherit it.

    Args:
        dataset (Dataset): The training set.
        inner (Callable, optional): Who fetches. Defaults to None, the data set itself.
    """

    def __init__(self, dataset: Any, inner: Any = None):
        self.dataset, self.inner = dataset, inner

    def __call__(self, indices: Sequence[int]) -> list:
        """Fetch a batch.

        Args:
            indices (Sequence[int]): What the sampler asked for.
        """
        key = getattr(indices, 'key', None)
        if key is None:
            return self._fetch(indices)
        if get_worker_info() is not None:
            seed_draws(*key)
            return self._fetch(indices)
        before = RandomState.now(accelerator=False)
        try:
            seed_draws(*key)
            return self._fetch(indices)
        finally:
            before.restore()

    def _fetch(self, indices: Sequence[int]) -> list:
        return self.inner(indices) if self.inner is not None else [self.dataset[i] for i in indices]


class SeededLoading:
    """What a training loop loads, seeded batch by batch.

    Args:
        loop (BaseLoop): MMEngine's training loop, before its first iteration.
        seed (int): Of the run.

    Raises:
        ValueError: If the loader draws no batches of indices.
    """

    def __init__(self, loop: Any, seed: int):
        self.loop, loader = loop, loop.dataloader
        if loader.batch_sampler is None:
            raise ValueError(
                'RandomStateHook numbers the batches of the training loader, but this one draws none: give '
                '`train_dataloader` a `batch_size` or a `batch_sampler`, or leave the hook out.'
            )
        known = loader.batch_sampler
        self.batches = SeededBatches(known.inner if isinstance(known, SeededBatches) else known, seed)
        # PyTorch's loader wants its batch sampler at birth; batch size and sampler stay what they are.
        object.__setattr__(loader, 'batch_sampler', self.batches)
        dataset = loader.dataset
        inner = vars(dataset).get('__getitems__') or getattr(dataset, '__getitems__', None)
        if not isinstance(inner, SeededFetch):
            dataset.__getitems__ = SeededFetch(dataset, inner)
        begin_loading_again(loop)

    @property
    def sampler(self) -> Any:
        """Whoever puts the samples into an order."""
        return getattr(self.batches.inner, 'sampler', None)

    def state(self) -> dict[str, Any]:
        """The seeds, as a checkpoint may hold them."""
        seed = getattr(self.sampler, 'seed', None)
        return dict(seed=int(self.batches.seed), sampler_seed=int(seed) if isinstance(seed, int) else None)

    def load(self, seed: int, sampler_seed: int | None) -> None:
        """Take over the seeds of the run that is gone on with."""
        self.batches.seed, self.batches.count = seed, 0
        if sampler_seed is not None and hasattr(self.sampler, 'seed'):
            self.sampler.seed = sampler_seed
        begin_loading_again(self.loop)

    def begin(self, by_iterations: bool) -> None:
        """Number the batches that an epoch, or an iteration-based loop, begins with.

        An iteration-based loop that is resumed draws again what it drew before, and so counts by itself, unless its
        sampler can be moved there or it is told not to care.
        """
        if not by_iterations:
            self.batches.count = self.loop.iter
            return
        loader = self.loop.dataloader
        moves = hasattr(getattr(self.loop, 'dataloader_iterator', None), 'skip_iter')
        by_sampler = hasattr(loader.sampler, 'skip') and bool(loader.batch_size)
        if moves and (by_sampler or getattr(self.loop, 'fast_forward_on_resume', False)):
            self.batches.count = self.loop.iter
