"""The hook that remembers what the network said of each training sample when it saw it unmixed."""

from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor

from ...core import check
from ...core.fields import whole
from ...models import MixClassifier
from ...ops.devices import Arriving
from ...registry import HOOKS
from ..agreement import gathered, in_one_order
from ..prediction_table import PredictionTable
from ..sample_identity import identify_samples
from ..sampling import iterations_per_pass
from ..training_scan import find_test_pipeline, look
from .model_of import model_of
from .saving import come_before_saving, saves_after_iteration


@HOOKS.register_module()
class PredictionMemoryHook(Hook):
    """Remember the network's prediction of each training sample, for heads with ``clean_pass='memory'``.

    A head that asks for a clean pass then gets the prediction that a sample had when it was last seen unmixed, and no
    pass is run. Ours, in no paper.

    *What is remembered.* The ``top`` largest probabilities: of batches or samples that were not mixed, of a clean pass
    that a guide asked for, and with ``scan_interval`` of a pass over the training set with the test-time pipeline. The
    first two cost nothing. They reach the table one iteration late, so that the device is never waited for. A pair in
    which one sample was never seen keeps the label shares of its area.

    *When the ranks agree, and what is saved.* As with :class:`HardSampleHook`: at the end of each epoch, or of each
    pass over the data, all ranks put together what they saw, in one order, and the table of the last agreement is in
    the checkpoint, under the key ``predictions``.

    Args:
        top (int): How many classes of each sample are remembered. Defaults to 5.
        scan_interval (int): Every so many epochs, look at the whole training set with the pipeline of the
            ``val_dataloader`` or ``test_dataloader``: for configs that mix every batch. It costs an inference pass.
            Defaults to 0, never.
        priority (str): Of the hook; it must come before the checkpoint hook. Defaults to ``'NORMAL'``.

    Raises:
        ValueError: If an argument is out of range, if a checkpoint's table is of another training set, if the
            checkpoint hook comes first, or if there is no test-time pipeline to scan with.
        TypeError: If the model is not a :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import PredictionMemoryHook
        >>> model = dict(type='mmmix.MixClassifier', head=dict(type='mmmix.SUMixHead', clean_pass='memory'))
        >>> custom_hooks = [dict(type='mmmix.PredictionMemoryHook')]
        >>> hook = PredictionMemoryHook(top=5)
    """

    def __init__(self, top: int = 5, scan_interval: int = 0, priority: str = 'NORMAL'):
        self.top, self.scan_interval = check(
            self, top=(top, whole(least=1, like=5)), scan_interval=(scan_interval, whole(least=0, like=1))
        )
        self.priority = priority
        self._table: PredictionTable | None = None
        self._agreed: dict[str, Tensor] = {}
        #: What this rank saw since the last agreement: iteration, index and what is remembered, one row a sample.
        self._log: list[Tensor] = []
        self._pending: tuple[int, Tensor, Arriving] | None = None
        self._pipeline: Any = None

    @property
    def table(self) -> PredictionTable:
        """The memory: one row per index that the sampler draws."""
        if self._table is None:
            raise RuntimeError('PredictionMemoryHook has no table yet: it makes one when training begins.')
        return self._table

    def before_run(self, runner) -> None:
        """Make the table for the training set, and show it to the model."""
        if isinstance(runner._train_loop, (dict, type(None))):
            return  # a test or a validation: nothing is trained
        model = self._model(runner)
        come_before_saving(self, runner, 'finish its table')
        if self.scan_interval:
            built = [getattr(loop, 'dataloader', None) for loop in (runner._val_loop, runner._test_loop)]
            self._pipeline = find_test_pipeline(runner.cfg, *built)
        length = len(runner.train_dataloader.dataset)
        if self._table is None or len(self._table) != length:
            self._table = PredictionTable(length, model.num_classes, self.top)
            self._agreed = self._table.state_dict()
            runner.logger.info(
                f'PredictionMemoryHook: {self.table.top} classes of {length} samples: '
                f'{self.table.memory_bytes / 1e6:.2f} MB on the host of each rank'
            )
        identify_samples(runner.train_loop)
        model.predictions = self._table

    # ------------------------------------------------------------------------------------------------------- observing

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Send this iteration's predictions on their way, and remember those of the last one, which have arrived."""
        self._remember_pending()
        model = self._model(runner)
        predicted, model.predicted = model.predicted, None
        if predicted is not None:
            self._pending = (runner.iter, torch.tensor(predicted[0]), Arriving(predicted[1]))
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            length = iterations_per_pass(runner.train_dataloader, dist.get_world_size())
            if (runner.iter + 1) % length == 0:
                self._finish_pass(runner, runner.iter + 1, (runner.iter + 1) // length)
            elif saves_after_iteration(runner):
                self._agree()

    def after_train_epoch(self, runner) -> None:
        """Let all ranks agree on one table, and log how much it knows."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            self._agree()
        else:
            self._finish_pass(runner, runner.iter, runner.epoch + 1)

    def _remember_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            iteration, idx, arriving = pending
            rows = arriving.known()
            # Class -1 marks a sample that was mixed.
            seen = (idx >= 0) & (rows[:, 0, 0] >= 0)
            self._remember(iteration, idx[seen], rows[seen])

    def _remember(self, iteration: int, idx: Tensor, rows: Tensor) -> None:
        self.table.update(idx, rows)
        if dist.get_world_size() > 1:
            named = torch.stack([torch.full_like(idx, iteration), idx], 1)
            self._log.append(torch.cat([named, rows.flatten(1).long()], 1))

    # -------------------------------------------------------------------------------------------------------- agreeing

    def _agree(self) -> None:
        self._remember_pending()
        if dist.get_world_size() > 1:
            own = torch.cat(self._log) if self._log else torch.zeros(0, 2 + 2 * self.table.top, dtype=torch.long)
            seen = in_one_order(gathered(own))
            self.table.load_state_dict(self._agreed)
            self.table.update(seen[:, 1], seen[:, 2:].unflatten(1, (2, self.table.top)).to(torch.int16))
        self._log = []
        self._agreed = self.table.state_dict()

    def _finish_pass(self, runner, iterations: int, passes: int) -> None:
        self._remember_pending()
        if self.scan_interval and passes % self.scan_interval == 0:
            compact = lambda logits, labels: PredictionTable.compact(logits, self.table.top)  # noqa: E731
            self._remember(iterations, *look(self._model(runner), runner.train_dataloader, self._pipeline, compact))
        self._agree()
        known = float(self.table.seen.float().mean())
        if not known:
            runner.logger.warning(
                'PredictionMemoryHook has seen no prediction on a clean image, so no label share is learned: mix with '
                '`prob` below 1, or set `scan_interval=1`.'
            )
        runner.logger.info(f'Predictions are known of {100 * known:.1f} % of {len(self.table)} samples')
        runner.visualizer.add_scalars({'predictions/known': known}, step=iterations)

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the table of the last agreement into the checkpoint; this runs on the main process alone."""
        if self._table is not None:
            checkpoint['predictions'] = self._agreed

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Take the table out of the checkpoint that a run resumes from."""
        if self._table is None or not runner._resume:
            return
        if checkpoint.get('predictions') is None:
            runner.logger.warning('The checkpoint holds no predictions: the memory of them starts empty.')
            return
        self._table.load_state_dict(checkpoint['predictions'])
        self._agreed = self._table.state_dict()

    @staticmethod
    def _model(runner) -> MixClassifier:
        return model_of(runner, 'PredictionMemoryHook needs predictions on clean images')
