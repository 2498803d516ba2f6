"""What hooks have in common that remember something of each training sample."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor

from ...core import check
from ...core.fields import whole
from ...models import MixClassifier
from ..agreement import Outcomes, SharedTable
from ..sample_identity import identify_samples
from ..sampling import iterations_per_pass
from ..training_scan import find_test_pipeline, look
from .model_of import model_of
from .saving import come_before_saving, saves_after_iteration, warn_if_not_saved


class SampleMemoryHook(Hook):
    """Base of hooks with a table of one row per index that the sampler draws.

    What an iteration saw reaches the table an iteration later, so that the device is never waited for. At the end of
    each epoch, or of each pass over the data in an iteration-based loop, all ranks agree on one table; in such a loop
    also before MMEngine's ``CheckpointHook`` saves. What is saved is the table of the last agreement.

    A subclass makes the table, takes what an iteration saw from the model, and reports once a pass is over.

    Args:
        scan_interval (int): Every so many epochs the whole training set is looked at; 0 is never.
        priority (str): Of the hook.
    """

    #: What the table remembers, as errors say it.
    remembers: str
    #: Under which key a checkpoint holds it.
    key: str

    def __init__(self, scan_interval: int, priority: str) -> None:
        (self.scan_interval,) = check(self, scan_interval=(scan_interval, whole(least=0, like=1)))
        self.priority = priority
        self._shared: SharedTable | None = None
        self._pending: Outcomes | None = None
        self._pipeline: Any = None
        #: The checkpoint's table, from when it is loaded until training begins; None without one.
        self._resumed: dict | None = None

    @property
    def _memory(self) -> SharedTable:
        if self._shared is None:
            raise RuntimeError(f'{type(self).__name__} has no table yet: it makes one when training begins.')
        return self._shared

    # ----------------------------------------------------------------------------------------- what a subclass provides

    def make_table(self, length: int, model: MixClassifier) -> Any:
        """A table of so many rows; see :class:`SharedTable` for what it must be able to do."""
        raise NotImplementedError

    def show(self, model: MixClassifier) -> None:
        """Let the model see the table."""
        raise NotImplementedError

    def taken(self, model: MixClassifier) -> tuple[Sequence[int], Tensor] | None:
        """What the model saw in this iteration, which it then forgets: indices of samples, and outcomes."""
        raise NotImplementedError

    def counted(self, runner: Any, batch_idx: int, idx: Tensor) -> Tensor:
        """The indices, with -1 for samples that must not be counted."""
        return idx

    def looked(self, logits: Tensor, scores: Tensor) -> Tensor:
        """The outcomes of a pass over the training set, from ``(N, K)`` logits and labels."""
        raise NotImplementedError

    def report(self, runner: Any, model: MixClassifier, iterations: int) -> None:
        """Say what is known, now that a pass is over and all ranks agree."""
        raise NotImplementedError

    def after_pass(self, runner: Any, iterations: int) -> None:
        """Whatever else is due once a pass of an iteration-based loop is over."""

    def load(self, saved: dict) -> None:
        """Take over what the checkpoint holds under ``key``."""
        self._memory.load(saved)

    # ------------------------------------------------------------------------------------------------------- the course

    def before_run(self, runner: Any) -> None:
        """Make the table for the training set, and show it to the model."""
        if isinstance(runner._train_loop, (dict, type(None))):
            return  # a test or a validation: nothing is trained
        model = self._model(runner)
        come_before_saving(self, runner, 'finish its table')
        warn_if_not_saved(self, runner, self.remembers)
        if self.scan_interval:
            built = [getattr(loop, 'dataloader', None) for loop in (runner._val_loop, runner._test_loop)]
            self._pipeline = find_test_pipeline(runner.cfg, *built)
        length = len(runner.train_dataloader.dataset)
        known = self._shared is not None and len(self._memory.table) == length
        self._shared = SharedTable(self._memory.table if known else self.make_table(length, model))
        identify_samples(runner.train_loop)
        self.show(model)

    def before_train(self, runner: Any) -> None:
        """Take over the table of the run that is gone on with."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            self.load(resumed)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Send on its way what this iteration saw, and take in what the last one saw, which has arrived."""
        self._count_pending()
        taken = self.taken(self._model(runner))
        if taken is not None:
            idx = self.counted(runner, batch_idx, torch.tensor(taken[0]))
            self._pending = Outcomes.sent(runner.iter, idx, taken[1])
        if not by_iterations(runner):
            return
        if (runner.iter + 1) % length_of_pass(runner) == 0:
            self._finish_pass(runner, runner.iter + 1)
            self.after_pass(runner, runner.iter + 1)
        elif saves_after_iteration(runner):
            self._agree()

    def after_train_epoch(self, runner: Any) -> None:
        """Let all ranks agree on one table, and report."""
        if by_iterations(runner):
            self._agree()
        else:
            self._finish_pass(runner, runner.iter)

    def _count_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._memory.count(pending.iteration, *pending.known())

    def _agree(self) -> None:
        self._count_pending()
        self._memory.agree()

    def _finish_pass(self, runner: Any, iterations: int) -> None:
        self._count_pending()
        model = self._model(runner)
        passes = iterations // length_of_pass(runner) if by_iterations(runner) else runner.epoch + 1
        if self.scan_interval and passes % self.scan_interval == 0:
            found = look(model, runner.train_dataloader, self._pipeline, self.looked)
            self._memory.count(iterations, *found)
        self._agree()
        self.report(runner, model, iterations)

    def _model(self, runner: Any) -> MixClassifier:
        return model_of(runner, f'{type(self).__name__} needs predictions on clean images')

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Keep the table that a resumed run finds, with a warning if there is none.

        It is taken over when training begins: MMEngine's ``Runner`` loads after ``before_run``, ``FlexibleRunner``
        before it.
        """
        if not runner._resume:
            return
        self._resumed = checkpoint.get(self.key)
        if self._resumed is None:
            runner.logger.warning(f'The checkpoint holds no {self.remembers}: the memory of it starts empty.')


def by_iterations(runner: Any) -> bool:
    """Whether the loop counts iterations and knows no epochs."""
    return isinstance(runner.train_loop, IterBasedTrainLoop)


def length_of_pass(runner: Any) -> int:
    """How many iterations a pass over the training set takes."""
    return iterations_per_pass(runner.train_dataloader, dist.get_world_size())
