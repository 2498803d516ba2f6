"""The checkpoint hook whose files are whole, whenever the run is killed."""

import shutil
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook

from ...registry import HOOKS
from ..checkpoint_files import WHOLE, WRITING, WholeFiles, publish, write_whole

#: Where MMEngine's log of the run says which checkpoints were about to be removed.
OUTDATED = 'outdated_ckpt_ids'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, except that a kill at any moment leaves a whole checkpoint.

    MMEngine removes what ``max_keep_ckpts`` no longer wants, then writes the new checkpoint in place, then the note
    ``last_checkpoint``: a kill in between leaves half a file, or nothing. Here the new one is written under another
    name in the same folder, sent to the disk and moved; then the note, likewise; then the old one is removed. So there
    is room for one checkpoint more on the disk. The best checkpoints are written and removed in that order too.

    That holds for ``Runner`` and ``FlexibleRunner``. Where every rank writes a part of it, a checkpoint is a folder: it
    is moved once all ranks have written.

    What a killed run was about to remove, and files that were half written, go when a run is resumed there. Only local
    files are treated so; elsewhere this is MMEngine's hook. ``tools/train.py`` puts it in the place of MMEngine's.

    Args:
        *args (Any): As ``CheckpointHook`` takes them: ``interval``, ``by_epoch``, ``save_best``, ``max_keep_ckpts``
            and so on.
        **kwargs (Any): Likewise.

    Example:
        >>> from mmmix import SafeCheckpointHook
        >>> default_hooks = dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=1, max_keep_ckpts=1))
        >>> hook = SafeCheckpointHook(interval=1, max_keep_ckpts=1)
    """

    file_backend: Any
    _files: WholeFiles | None = None

    def before_train(self, runner) -> None:
        """Settle where checkpoints go, and finish what a killed run was about to remove."""
        super().before_train(runner)
        if not isinstance(self.file_backend, LocalBackend):
            return
        self.backend_args = {'backend': WHOLE}
        self.file_backend = self._files = WholeFiles()
        if is_main_process():
            for half in Path(self.out_dir).glob(WRITING.format('*')):
                shutil.rmtree(half) if half.is_dir() else half.unlink()
            self._remove(runner.message_hub.runtime_info.get(OUTDATED, ()))

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        if self._files is None:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        outdated: list[int] = []
        if self.max_keep_ckpts > 0:
            kept = [*(known for known in self.keep_ckpt_ids if known != step), step]
            outdated = kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(kept[-self.max_keep_ckpts :])
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        runner.message_hub.update_info(OUTDATED, outdated)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        WholeSaves.of(runner).save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            write_whole(Path(runner.work_dir, 'last_checkpoint'), self.last_ckpt.encode())
            self._remove(outdated)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if self._files is None:
            super()._save_best_checkpoint(runner, metrics)
            return
        super()._save_best_checkpoint(WholeSaves.of(runner), metrics)
        if is_main_process():
            best: Any = getattr(self, 'best_ckpt_path_dict', {}).values()
            self._files.remove_postponed(getattr(self, 'best_ckpt_path', None), *best)

    def _remove(self, steps: Any) -> None:
        assert self._files is not None
        for step in steps:
            self._files.remove(Path(self.out_dir, self.filename_tmpl.format(step)))
        self._files.remove_postponed(self.last_ckpt)


class WholeSaves:
    """A runner whose checkpoints get their names once they are whole; everything else is the runner's own.

    A ``Runner`` writes through a file backend, the strategies of a ``FlexibleRunner`` each in a way of their own: both
    are told another name.

    Args:
        runner (Runner): The run.
    """

    def __init__(self, runner: Any):
        self.runner = runner

    @classmethod
    def of(cls, runner: Any) -> 'WholeSaves':
        """The same, unless it is one already."""
        return runner if isinstance(runner, cls) else cls(runner)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Save as the runner does, under another name, and move it once all ranks are done."""
        self.runner.save_checkpoint(out_dir, WRITING.format(filename), *args, **kwargs)
        barrier()
        if is_main_process():
            publish(Path(out_dir, filename))
        barrier()  # whoever looks for it now finds it, on any rank

    def __getattr__(self, name: str) -> Any:
        """The runner's."""
        return getattr(self.runner, name)
