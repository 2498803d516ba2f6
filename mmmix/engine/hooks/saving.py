"""When a run saves a checkpoint: hooks that have something to put into it must know before."""

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import CheckpointHook, Hook


def checkpoint_hooks(runner: Any) -> Iterator[CheckpointHook]:
    """The hooks that save.

    Args:
        runner (Runner): The run.
    """
    yield from (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))


def come_before_saving(hook: Hook, runner: Any, what: str) -> None:
    """Refuse a run whose checkpoint hook comes before a hook that fills its checkpoints.

    Args:
        hook (Hook): Who fills them.
        runner (Runner): The run.
        what (str): What it must do before, for the error.

    Raises:
        ValueError: If it comes after one that saves.
    """
    before = runner.hooks[: runner.hooks.index(hook)]
    if any(isinstance(other, CheckpointHook) for other in before):
        raise ValueError(f'{type(hook).__name__} must {what} before CheckpointHook saves it: leave out its `priority`.')


def saves_after_iteration(runner: Any) -> bool:
    """Whether a checkpoint is saved at the end of this iteration.

    Args:
        runner (Runner): The run, in ``after_train_iter``.
    """
    return any(
        not hook.by_epoch
        and (
            hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
            or (hook.save_last and hook.is_last_train_iter(runner))
        )
        for hook in checkpoint_hooks(runner)
    )


def saves_after_epoch(runner: Any) -> bool:
    """Whether a checkpoint is saved at the end of this epoch.

    Args:
        runner (Runner): The run, in ``after_train_epoch``.
    """
    return any(
        hook.by_epoch
        and (
            hook.every_n_epochs(runner, hook.interval, hook.save_begin)
            or (hook.save_last and hook.is_last_train_epoch(runner))
        )
        for hook in checkpoint_hooks(runner)
    )


def may_save_after_validation(runner: Any) -> bool:
    """Whether a checkpoint may be renewed once a new best one is known.

    Args:
        runner (Runner): The run.
    """
    return any(hook.save_best for hook in checkpoint_hooks(runner))


#: Strategies of MMEngine's ``FlexibleRunner`` that ask no hook when they save or resume.
SILENT = ('DeepSpeedStrategy', 'ColossalAIStrategy')


def warn_if_not_saved(hook: Hook, runner: Any, what: str) -> None:
    """Say that checkpoints will not hold what a hook puts into them, where that is so.

    Args:
        hook (Hook): Who fills checkpoints.
        runner (Runner): The run.
        what (str): What it puts there, for the warning.
    """
    kinds = [kind.__name__ for kind in type(getattr(runner, 'strategy', None)).__mro__]
    silent = next((name for name in SILENT if name in kinds), None)
    if silent is not None:
        runner.logger.warning(
            f'{silent} asks no hook when it saves, so {type(hook).__name__} saves no {what} for a resumed run.'
        )
