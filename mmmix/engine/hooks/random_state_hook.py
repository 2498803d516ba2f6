"""The hook that makes a killed and resumed run the run that was killed."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor

from ...core import Mixer, Partners, check
from ...core.fields import flag
from ...registry import HOOKS
from ..random_states import RandomState
from ..seeded_loading import SeededLoading
from .model_of import unwrapped
from .saving import (
    come_before_saving,
    may_save_after_validation,
    saves_after_epoch,
    saves_after_iteration,
    warn_if_not_saved,
)

#: Under this key checkpoints hold it.
KEY = 'random_state'


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Save and restore what a run draws from, so that a killed and resumed run equals one that was never killed.

    On a CPU it is equal bit by bit, in epoch-based and iteration-based loops, on one rank or several; on a GPU as far
    as the kernels themselves repeat. ``tools/train.py`` adds the hook by itself; in a config of your own name it in
    ``custom_hooks``.

    *What is restored.* Of each rank the states of PyTorch's generators (CPU and its GPU), NumPy's and Python's, the
    seeds of the run and of its sampler, the buffers of the model where ranks differ in them (batch norms that are not
    synchronised), and what partners remember: the pools of :class:`mmmix.HardPool`, the last batch of
    :class:`mmmix.History`.

    *What makes it equal.* Draws of the training pipeline follow from run, rank and number of the batch, not from who
    loads it: workers, their number and whether they outlive an epoch make no difference, and no epoch repeats the draws
    of another. What is drawn outside a training step, as by a validation, does not move the draws of the next step.

    *What is not restored.* Gradients that were accumulated for a step that was not taken yet, and what other people's
    hooks, samplers or data sets keep to themselves. An epoch-based loop begins an epoch again that was saved in the
    middle. A checkpoint is renewed after validation for a new best one on all ranks; if somebody else calls
    ``runner.save_checkpoint`` on several ranks in between, that checkpoint holds no states.

    *Another number of ranks.* The states then follow anew from seed, number of ranks, rank and iteration, and partners
    begin without a memory; the log says so.

    Args:
        partners (bool): Whether what partners remember is saved too; a pool of 512 images of 3 x 224 x 224 in bytes
            makes each rank add 77 MB to a checkpoint. Without it the pools of a resumed run fill again, and it is
            another run. Defaults to True.
        priority (str): Of the hook; it must come before the checkpoint hook. Defaults to ``'LOW'``.

    Raises:
        ValueError: If an argument is of another kind, if the checkpoint hook comes first, or if the training loader
            draws no batches of indices.

    Example:
        >>> from mmmix import RandomStateHook
        >>> custom_hooks = [dict(type='mmmix.RandomStateHook')]
        >>> hook = RandomStateHook()
    """

    def __init__(self, partners: bool = True, priority: str = 'LOW'):
        (self.partners,) = check(self, partners=(partners, flag()))
        self.priority = priority
        self._loading: SeededLoading | None = None
        #: Where the next training step goes on drawing; None before the first one.
        self._state: RandomState | None = None
        #: What the checkpoint holds and its iterations, from when it is loaded until training begins.
        self._resumed: tuple[dict[str, Any], int] | None = None
        #: Iterations done, and what the ranks had then: all of them on the main process, each its own elsewhere.
        self._gathered: tuple[int, list[dict | None]] | None = None

    # ------------------------------------------------------------------------------------------------------ setting up

    def before_run(self, runner) -> None:
        """Seed the training loader batch by batch."""
        if isinstance(runner._train_loop, (dict, type(None))):
            return  # a test or a validation: nothing is trained
        come_before_saving(self, runner, 'gather the states of all ranks')
        warn_if_not_saved(self, runner, 'random states')
        self._state = self._gathered = None
        seed = torch.tensor(runner.seed)
        dist.broadcast(seed)  # with `diff_rank_seed` each rank has its own
        self._loading = SeededLoading(runner.train_loop, int(seed))

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Keep what a resumed run finds; MMEngine's ``FlexibleRunner`` loads before ``before_run``."""
        if not runner._resume:
            return
        saved = checkpoint.pop(KEY, None)
        if saved is None:
            runner.logger.warning('The checkpoint holds no random states: what is resumed is another run.')
            return
        self._resumed = saved, checkpoint['meta']['iter']

    def before_train(self, runner) -> None:
        """Go on with the states, the buffers and the memories that this rank had."""
        resumed, self._resumed = self._resumed, None
        if resumed is None or self._loading is None:
            return
        saved, iterations = resumed
        self._loading.load(saved['seed'], saved['sampler_seed'])
        ranks, rank = dist.get_world_size(), dist.get_rank()
        if len(saved['ranks']) == ranks:
            self._take(runner, saved['ranks'][rank])
            return
        self._state = RandomState.fresh(saved['seed'], ranks, rank, iterations)
        runner.logger.warning(
            f'The checkpoint is of {len(saved["ranks"])} ranks and this run has {ranks}: random states follow anew '
            'from seed, rank and iteration, and partners begin without a memory.'
        )

    def _take(self, runner, taken: dict[str, Any]) -> None:
        self._state = RandomState.of(taken['generators'])
        model = unwrapped(runner.model)
        buffers = dict(_buffers(model))
        for name, value in taken['buffers'].items():
            buffers[name].copy_(value)
        partners, memories = list(_partners(model)), taken['partners']
        if memories is None:
            return
        if [type(part).__name__ for part in partners] != [name for name, _ in memories]:
            runner.logger.warning(
                'The mixers are others than those of the checkpoint: partners begin without a memory.'
            )
            return
        for part, (_, memory) in zip(partners, memories, strict=True):
            part.load_state_dict(memory)

    # --------------------------------------------------------------------------------------------------------- drawing

    def before_train_epoch(self, runner) -> None:
        """Number the batches from here, and draw the order of the samples where the last step ended."""
        self._go_on()
        if self._loading is not None:
            self._loading.begin(isinstance(runner.train_loop, IterBasedTrainLoop))

    def before_train_iter(self, runner, batch_idx: int, data_batch: Any = None) -> None:
        """Go on drawing where the last step ended."""
        self._go_on()

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Note where this step ended."""
        self._state = RandomState.now()
        if saves_after_iteration(runner):
            self._gather(runner, runner.iter + 1)

    def _go_on(self) -> None:
        if self._state is not None:
            self._state.restore()

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def after_train_epoch(self, runner) -> None:
        """Gather the states of all ranks if a checkpoint is saved now."""
        if saves_after_epoch(runner):
            self._gather(runner, runner.iter)

    def after_val_epoch(self, runner, metrics: Any = None) -> None:
        """Gather them if the checkpoint may be renewed for a new best one."""
        if self._state is not None and may_save_after_validation(runner):
            self._gather(runner, runner.iter)

    def _gather(self, runner, iterations: int) -> None:
        if self._state is None or (self._gathered is not None and self._gathered[0] == iterations):
            return
        model = unwrapped(runner.model)
        own = dict(
            generators=self._state.plain(),
            buffers={} if dist.is_main_process() else {name: value.cpu() for name, value in _buffers(model)},
            partners=[(type(part).__name__, _on_host(part.state_dict())) for part in _partners(model)]
            if self.partners
            else None,
        )
        alone = [own if rank == dist.get_rank() else None for rank in range(dist.get_world_size())]
        self._gathered = iterations, dist.gather_object(own) or alone

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Put the states of all ranks into a checkpoint that can be resumed; where each rank saves a part, its own."""
        if self._loading is None or 'optimizer' not in checkpoint:
            return
        iterations = checkpoint['meta']['iter']
        if dist.get_world_size() == 1:
            self._gather(runner, iterations)
        if self._gathered is None or self._gathered[0] != iterations:
            runner.logger.warning('This checkpoint holds no random states: nobody asked the other ranks for theirs.')
            return
        checkpoint[KEY] = {**self._loading.state(), 'ranks': self._gathered[1]}


def _buffers(model: Any) -> Iterator[tuple[str, Tensor]]:
    """The buffers that checkpoints hold."""
    for prefix, module in model.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield f'{prefix}.{name}'.lstrip('.'), buffer


def _partners(model: Any) -> Iterator[Partners]:
    """The partners of all mixers in force, each once, whether the model is ours or stock."""
    recipe = getattr(getattr(model, 'data_preprocessor', None), 'batch_augments', None)
    known = set()
    for mixer in getattr(recipe, 'augments', None) or ():
        for part in mixer.parts() if isinstance(mixer, Mixer) else ():
            if isinstance(part, Partners) and id(part) not in known:
                known.add(id(part))
                yield part


def _on_host(state: dict[str, Any]) -> dict[str, Any]:
    """A copy that stays as it is while training goes on."""
    return {name: value.detach().cpu().clone() if isinstance(value, Tensor) else value for name, value in state.items()}
