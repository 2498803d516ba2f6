"""The hook that remembers which training samples keep being misclassified."""

from typing import Any

import torch
from mmengine import dist
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor

from ...models import MixClassifier
from ...registry import HOOKS
from ..hard_sample_table import HardSampleTable


@HOOKS.register_module()
class HardSampleHook(Hook):
    """Remember how often each training sample was misclassified, for :class:`mmmix.HardPool` and for whoever asks.

    `HardMix: Considering Difficult Examples in Mixed Sample Data Augmentation <https://doi.org/10.32629/jai.v7i5.1518>`_ is
    public as an abstract only; how hardness is measured here is our reading of it. The predictions cost nothing: they come
    from batches (or samples) that were not mixed and from clean passes that a head or a guide asked for. They reach the
    table one iteration late, so that the device is never waited for.

    The table is indexed by ``sample_idx``. After each epoch the ranks exchange what they saw and apply all of it in one
    order, so that their tables are equal; samples that the sampler repeats to even out the ranks are not counted. The table
    is saved in each checkpoint under the key ``hard_samples`` (``seen`` and ``missed``, one row per training sample) and
    restored on resume.

    Args:
        momentum (float): Weight of the past at each observation of a sample, in [0, 1). Defaults to 0.9.
        fraction (float): Which part of the seen samples counts as hard, in (0, 1]. Defaults to 0.2.
        min_hardness (float): Samples must be harder than this, in [0, 1). Defaults to 0.0.
        warmup_epochs (int): For this many epochs partners are a plain permutation. Defaults to 1.
        priority (str): Of the hook; it must come before the checkpoint hook. Defaults to ``'NORMAL'``.

    Raises:
        ValueError: If an argument is out of range, or a checkpoint's table is of another training set.
        TypeError: If the model is not a :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import HardSampleHook
        >>> custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2)]
        >>> hook = HardSampleHook(fraction=0.2)
    """

    def __init__(self,
                 momentum: float = 0.9,
                 fraction: float = 0.2,
                 min_hardness: float = 0.0,
                 warmup_epochs: int = 1,
                 priority: str = 'NORMAL'):
        if warmup_epochs < 0:
            raise ValueError(f'HardSampleHook: `warmup_epochs` must be at least 0, but got {warmup_epochs!r}.')
        self.table_args = dict(momentum=momentum, fraction=fraction, min_hardness=min_hardness)
        HardSampleTable(0, **self.table_args)
        self.warmup_epochs = warmup_epochs
        self.priority = priority
        self.table: HardSampleTable | None = None
        self._pending: tuple[Tensor, Tensor, Tensor, Any] | None = None
        self._log: list[tuple[Tensor, Tensor]] = []
        self._base: dict[str, Tensor] = {}
        self._drawn = 0

    # ------------------------------------------------------------------------------------------------------ setting up

    def before_run(self, runner) -> None:
        """Make the table for the training set, and show it to the model."""
        if isinstance(runner._train_loop, (dict, type(None))):
            return  # a test or a validation: nothing is trained
        model = self._model(runner)
        if self.table is None:
            self.table = HardSampleTable(len(runner.train_dataloader.dataset), **self.table_args)
        self.table.active = self.warmup_epochs == 0
        model.hard_table = self.table

    def before_train(self, runner) -> None:
        """Remember where the ranks agree."""
        self._agree()

    def before_train_epoch(self, runner) -> None:
        """Open the pool once the warm-up is over."""
        assert self.table is not None
        self._drawn = 0
        self.table.active = runner.epoch >= self.warmup_epochs

    # ------------------------------------------------------------------------------------------------------- observing

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Send this iteration's predictions on their way, and count those of the last one, which have arrived."""
        self._count_pending()
        model = self._model(runner)
        observed, model.observed = model.observed, None
        if observed is None:
            return
        sample_idx, outcome = observed
        idx = torch.tensor(sample_idx)
        real = self._not_padding(runner, len(idx))
        if outcome.is_cuda:
            arrived = torch.empty(outcome.shape, dtype=outcome.dtype, pin_memory=True)
            arrived.copy_(outcome, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        else:
            arrived, event = outcome, None
        self._pending = idx, real, arrived, event
        if not hasattr(runner.train_loop, 'max_epochs') or runner.train_loop.__class__.__name__ == 'IterBasedTrainLoop':
            if self.every_n_train_iters(runner, max(1, len(runner.train_dataloader))):
                self.after_train_epoch(runner)
                self.table.active = runner.iter + 1 >= self.warmup_epochs * len(runner.train_dataloader)

    def _not_padding(self, runner, count: int) -> Tensor:
        """Which of the next samples are no repetitions that the sampler added to give every rank the same number."""
        sampler = runner.train_dataloader.sampler
        position = torch.arange(self._drawn, self._drawn + count) * dist.get_world_size() + dist.get_rank()
        self._drawn += count
        if isinstance(sampler, DefaultSampler):
            return position < len(runner.train_dataloader.dataset)
        return torch.ones(count, dtype=torch.bool)

    def _count_pending(self) -> None:
        if self._pending is None:
            return
        assert self.table is not None
        idx, real, outcome, event = self._pending
        self._pending = None
        if event is not None:
            event.synchronize()
        rows = real & (outcome >= 0)
        idx, missed = idx[rows], outcome[rows] > 0
        self.table.update(idx, missed)
        if dist.get_world_size() > 1:
            self._log.append((idx, missed))

    def after_train_epoch(self, runner) -> None:
        """Let all ranks agree on one table, renew the bound of what is hard, and log."""
        assert self.table is not None
        self._count_pending()
        self._merge()
        self.table.refresh()
        seen = self.table.seen > 0
        if bool(seen.any()):
            runner.message_hub.update_scalar('train/hardness', float(self.table.hardness()[seen].mean()))
        for mixer in self._model(runner).mixers():
            if hasattr(mixer.partners, 'fill'):
                runner.message_hub.update_scalar('train/pool_fill', mixer.partners.fill)

    def _merge(self) -> None:
        """Apply what all ranks saw since they last agreed, iteration by iteration, rank by rank."""
        if dist.get_world_size() == 1:
            return
        assert self.table is not None
        rows = [torch.stack([torch.full_like(idx, step), idx, missed.long()], 1) for step, (idx, missed) in enumerate(self._log)]
        mine = torch.cat(rows) if rows else torch.zeros(0, 3, dtype=torch.long)
        counts = [int(count) for count in dist.all_gather(torch.tensor([len(mine)]))]
        padded = torch.cat([mine, mine.new_zeros(max(counts) - len(mine), 3)])
        gathered = dist.all_gather(padded) if max(counts) else [padded]
        everything = torch.cat([rows[:count] for rows, count in zip(gathered, counts, strict=False)])
        everything = everything[everything[:, 0].argsort(stable=True)]
        self.table.load_state_dict(self._base)
        self.table.update(everything[:, 1], everything[:, 2] > 0)
        self._agree()

    def _agree(self) -> None:
        assert self.table is not None
        self._log = []
        self._base = self.table.state_dict() if dist.get_world_size() > 1 else {}

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the table into the checkpoint."""
        assert self.table is not None
        self._count_pending()
        checkpoint['hard_samples'] = self.table.state_dict()

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take the table out of the checkpoint that a run resumes from."""
        if self.table is None or not runner._resume:
            return
        if 'hard_samples' not in checkpoint:
            runner.logger.warning('The checkpoint holds no hard-sample table: the memory of hard samples starts empty.')
            return
        self.table.load_state_dict(checkpoint['hard_samples'])

    @staticmethod
    def _model(runner) -> MixClassifier:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, MixClassifier):
            raise TypeError("HardSampleHook needs predictions on clean images: use type='mmmix.MixClassifier' in place of "
                            f"'{type(model).__name__}'.")
        return model
