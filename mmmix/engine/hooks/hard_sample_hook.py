"""The hook that remembers which training samples keep being misclassified."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine import dist
from torch import Tensor

from ...core import check
from ...core.fields import whole
from ...models import MixClassifier
from ...models.classifiers.targets import missed
from ...partners import HardPool, HardSampleTable
from ...partners.hard_sample_table import check_table
from ...registry import HOOKS
from ..sampling import not_padding
from .sample_memory_hook import SampleMemoryHook, by_iterations, length_of_pass

#: Hardness from 0 to 1 is counted in so many bins.
BINS = 20


@HOOKS.register_module()
class HardSampleHook(SampleMemoryHook):
    """Remember how often each training sample was misclassified, for :class:`mmmix.HardPool` and for whoever asks.

    `HardMix: Considering Difficult Examples in Mixed Sample Data Augmentation
    <https://doi.org/10.32629/jai.v7i5.1518>`_ is public as an abstract only. It says *hard samples (which are
    frequently being miss-classified by a model)*; every decision below is ours.

    *What is counted.* Predictions on clean training images: those of batches or samples that were not mixed, those of a
    clean pass that a head or a guide asked for, and with ``scan_interval`` those of a pass over the training set with
    the test-time pipeline. The first two cost nothing. They reach the table one iteration late, so that the device is
    never waited for. Hardness is :class:`HardSampleTable`'s ``missed / seen``, both decaying with ``momentum``.

    *Whose index.* The table has one row per index that the sampler draws, whatever wraps the data set, and the hook
    writes that index into ``sample_idx``. The copies of one image in a ``RepeatDataset`` or a ``ClassBalancedDataset``
    have rows of their own: each row is then visited once an epoch, as ``momentum`` supposes, and the table never has to
    guess which samples are the same. Samples that a sampler repeats only to even out the ranks are not counted.

    *When the ranks agree.* At the end of each epoch, or of each pass over the data in an iteration-based loop, the
    ranks exchange what they saw and apply all of it in one order: iteration by iteration, rank by rank. Their tables
    are then equal, and equal to that of a single process that saw the same predictions. In between each rank goes by
    what it saw itself. In an iteration-based loop they also agree before MMEngine's ``CheckpointHook`` saves.

    *What is saved.* The table of the last agreement, under the key ``hard_samples`` of the checkpoint: ``seen`` and
    ``missed``, one row per sample, and the histogram of hardness at each agreement. So a checkpoint that an epoch-based
    loop saves in the middle of an epoch holds the table from the beginning of that epoch, which is where a resumed run
    begins again. Pools are saved by :class:`mmmix.RandomStateHook`; without it they fill again.

    Args:
        momentum (float): Weight of the past at each observation of a sample, in [0, 1). Defaults to 0.9.
        fraction (float): Which part of the seen samples counts as hard, in (0, 1]. Defaults to 0.2.
        min_hardness (float): Samples must be harder than this, in [0, 1), so that those missed once, long ago, are not
            hard when nearly all are fitted; see :class:`HardSampleTable`. Defaults to 0.2.
        warmup_epochs (int): For this many epochs partners are a plain permutation. Defaults to 1.
        scan_interval (int): Every so many epochs, classify the whole training set with the pipeline of the
            ``val_dataloader`` or ``test_dataloader``: for configs that mix every batch, and for hardness without the
            luck of augmentation. It costs an inference pass. Defaults to 0, never.
        priority (str): Of the hook; it must come before the checkpoint hook. Defaults to ``'NORMAL'``.

    Raises:
        ValueError: If an argument is out of range, if a checkpoint's table is of another training set, if the
            checkpoint hook comes first, or if there is no test-time pipeline to scan with.
        TypeError: If the model is not a :class:`mmmix.MixClassifier`.

    Note:
        With ``SwitchRecipeHook`` the memory goes on: it depends neither on the pipeline nor on the mixers. A rank that
        dies makes the others fail at their next exchange.

    Example:
        >>> from mmmix import HardSampleHook
        >>> custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2)]
        >>> hook = HardSampleHook(fraction=0.2)
    """

    remembers = 'hard-sample table'
    key = 'hard_samples'

    def __init__(
        self,
        momentum: float = 0.9,
        fraction: float = 0.2,
        min_hardness: float = 0.2,
        warmup_epochs: int = 1,
        scan_interval: int = 0,
        priority: str = 'NORMAL',
    ):
        super().__init__(scan_interval, priority)
        (self.warmup_epochs,) = check(self, warmup_epochs=(warmup_epochs, whole(least=0, like=1)))
        self.table_args = check_table(self, momentum, fraction, min_hardness)
        #: Iterations done and counts of hardness in ``BINS`` equal bins, at each agreement.
        self.history: list[tuple[int, Tensor]] = []

    @property
    def table(self) -> HardSampleTable:
        """The memory: one row per index that the sampler draws."""
        return self._memory.table

    def make_table(self, length: int, model: MixClassifier) -> HardSampleTable:
        """An empty table; see :class:`SampleMemoryHook`."""
        return HardSampleTable(length, *self.table_args)

    def show(self, model: MixClassifier) -> None:
        """Let pools ask it, and the classifier say what it missed."""
        model.hard_table = self.table

    # --------------------------------------------------------------------------------------------------------- warm-up

    def before_train(self, runner: Any) -> None:
        """Take over a saved table, and open the pools if the run is resumed after the warm-up."""
        super().before_train(runner)
        self.after_pass(runner, runner.iter)

    def before_train_epoch(self, runner: Any) -> None:
        """Open the pools once the warm-up is over."""
        self.after_pass(runner, runner.iter)

    def after_pass(self, runner: Any, iterations: int) -> None:
        """Open the pools once the warm-up is over."""
        passes = iterations // length_of_pass(runner) if by_iterations(runner) else runner.epoch
        self.table.active = passes >= self.warmup_epochs

    # ------------------------------------------------------------------------------------------------------- observing

    def taken(self, model: MixClassifier) -> tuple[Sequence[int], Tensor] | None:
        """The outcomes of an iteration."""
        found, model.observed = model.observed, None
        return found

    def counted(self, runner: Any, batch_idx: int, idx: Tensor) -> Tensor:
        """Samples that the sampler repeats only to even out the ranks are not counted."""
        own = not_padding(runner.train_dataloader, batch_idx, len(idx), dist.get_rank(), dist.get_world_size())
        return torch.where(own, idx, -1)

    def looked(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Which samples are misclassified."""
        return missed(logits, scores)

    def _agree(self) -> None:
        super()._agree()
        self.table.refresh()

    def report(self, runner: Any, model: MixClassifier, iterations: int) -> None:
        """Say how hard samples are, and how many of them pools hold."""
        hardness = self.table.hardness()[self.table.seen > 0]
        if len(hardness) == 0:
            runner.logger.warning(
                'HardSampleHook has seen no prediction on a clean image, so no sample is hard: mix with `prob` below '
                '1, or set `scan_interval=1`.'
            )
        self.history.append((iterations, torch.histc(hardness, BINS, 0, 1).long()))
        scalars = {
            'hard_samples/hardness': float(hardness.mean()) if len(hardness) else 0.0,
            'hard_samples/hard': int(self.table.is_hard(torch.arange(len(self.table))).sum()),
        }
        pools = {id(part): part for mixer in model.mixers() for part in mixer.parts() if isinstance(part, HardPool)}
        if pools:
            scalars['hard_samples/pool_fill'] = sum(pool.fill for pool in pools.values())
        text = ', '.join(f'{name.split("/")[1]} {value:.4g}' for name, value in scalars.items())
        runner.logger.info(f'Hard samples among {len(self.table)}: {text}')
        runner.visualizer.add_scalars(scalars, step=iterations)

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the table of the last agreement into the checkpoint."""
        if self._shared is None:
            return
        checkpoint[self.key] = {
            **self._shared.agreed,
            'iterations': torch.tensor([iterations for iterations, _ in self.history], dtype=torch.long),
            'histogram': torch.stack([counts for _, counts in self.history])
            if self.history
            else torch.zeros(0, BINS, dtype=torch.long),
        }

    def load(self, saved: dict) -> None:
        """Take over the table and its history."""
        super().load(saved)
        self.history = [
            (int(iterations), counts.cpu())
            for iterations, counts in zip(saved['iterations'], saved['histogram'], strict=True)
        ]
