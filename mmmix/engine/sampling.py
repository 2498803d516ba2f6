"""How a training loader goes through its set: the size of its batches, its passes, and what its sampler repeats."""

import math
from typing import Any

import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch import Tensor
from torch.utils.data import DistributedSampler


def batch_size_of(loader: Any) -> int | None:
    """Samples in a batch of one rank; None where a batch sampler of its own kind decides.

    Args:
        loader (DataLoader): The loader.
    """
    return loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)


def iterations_per_pass(loader: Any, ranks: int) -> int:
    """How many iterations of an iteration-based loop go once through the training set.

    Args:
        loader (DataLoader): The training loader of one rank.
        ranks (int): How many ranks there are.
    """
    batch_size = batch_size_of(loader)
    if not batch_size:
        return max(1, len(loader))
    return max(1, math.ceil(len(loader.dataset) / (batch_size * ranks)))


def not_padding(loader: Any, batch_idx: int, count: int, rank: int, ranks: int) -> Tensor:
    """Which samples of a batch are no repetitions that the sampler added to give every rank the same number.

    Args:
        loader (DataLoader): The training loader of one rank.
        batch_idx (int): Which batch; it may go on counting in a second pass.
        count (int): How many samples the batch has.
        rank (int): Which rank drew it.
        ranks (int): How many ranks there are.

    Returns:
        Tensor: ``(count,)``, bool.
    """
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    length, batch_size = len(loader.dataset), batch_size_of(loader)
    repeats = isinstance(sampler, (DefaultSampler, DistributedSampler)) and sampler.total_size > length
    if not repeats or not batch_size:
        return torch.ones(count, dtype=torch.bool)
    # The ranks take turns over one list of samples, and the repetitions stand at its end.
    drawn = batch_idx % len(loader) * batch_size + torch.arange(count)
    return drawn * ranks + rank < length


def begin_loading_again(train_loop: Any) -> None:
    """Let a training loader that was changed before the first iteration start from its beginning.

    Workers that run already have a copy of the data set from before. MMEngine 0.10.7 starts those of an iteration-based
    loop so early; the few batches they have drawn ahead are drawn again.

    Args:
        train_loop (BaseLoop): MMEngine's loop, before its first iteration.
    """
    loader = train_loop.dataloader
    loader._iterator = None
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    if isinstance(sampler, InfiniteSampler):
        sampler.indices = sampler._indices_of_rank()
    eager: Any = getattr(train_loop, 'dataloader_iterator', None)
    if getattr(eager, '_iterator', None) is not None:
        eager._iterator = None
        eager._iterator = iter(loader)
