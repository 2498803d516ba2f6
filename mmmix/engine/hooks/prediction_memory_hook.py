"""The hook that remembers what the network said of each training sample when it saw it unmixed."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...core import check
from ...core.fields import whole
from ...models import MixClassifier
from ...registry import HOOKS
from ..prediction_table import PredictionTable
from .sample_memory_hook import SampleMemoryHook


@HOOKS.register_module()
class PredictionMemoryHook(SampleMemoryHook):
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

    remembers = 'table of predictions'
    key = 'predictions'

    def __init__(self, top: int = 5, scan_interval: int = 0, priority: str = 'NORMAL'):
        super().__init__(scan_interval, priority)
        (self.top,) = check(self, top=(top, whole(least=1, like=5)))

    @property
    def table(self) -> PredictionTable:
        """The memory: one row per index that the sampler draws."""
        return self._memory.table

    def make_table(self, length: int, model: MixClassifier) -> PredictionTable:
        """An empty table; see :class:`SampleMemoryHook`."""
        return PredictionTable(length, model.num_classes, self.top)

    def before_run(self, runner: Any) -> None:
        """Make the table for the training set, show it to the model, and say how large it is."""
        super().before_run(runner)
        if self._shared is not None:
            size = f'{self.table.memory_bytes / 1e6:.2f} MB on the host of each rank'
            runner.logger.info(f'PredictionMemoryHook: {self.table.top} classes of {len(self.table)} samples: {size}')

    def show(self, model: MixClassifier) -> None:
        """Let heads ask it, and the classifier say what it predicts."""
        model.predictions = self.table

    def taken(self, model: MixClassifier) -> tuple[Sequence[int], Tensor] | None:
        """The predictions of an iteration."""
        found, model.predicted = model.predicted, None
        return found

    def looked(self, logits: Tensor, scores: Tensor) -> Tensor:
        """What is remembered of predictions."""
        return self.table.compact(logits, self.table.top)

    def report(self, runner: Any, model: MixClassifier, iterations: int) -> None:
        """Say of how many samples a prediction is known."""
        known = float(self.table.seen.float().mean())
        if not known:
            runner.logger.warning(
                'PredictionMemoryHook has seen no prediction on a clean image, so no label share is learned: mix with '
                '`prob` below 1, or set `scan_interval=1`.'
            )
        runner.logger.info(f'Predictions are known of {100 * known:.1f} % of {len(self.table)} samples')
        runner.visualizer.add_scalars({'predictions/known': known}, step=iterations)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Put the table of the last agreement into the checkpoint."""
        if self._shared is not None:
            checkpoint[self.key] = self._shared.agreed
