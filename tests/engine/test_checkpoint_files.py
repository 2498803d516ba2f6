"""Checkpoints on the disk: whole whenever the run is killed, and found again whatever a kill left."""

import itertools
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hard_runs import config, greys
from mmengine.fileio import BaseStorageBackend, LocalBackend, register_backend
from mmengine.runner import Runner

from mmmix.compat import read_checkpoint
from mmmix.engine import checkpoint_files
from mmmix.engine.checkpoint_files import newest_whole, write_whole

pytestmark = pytest.mark.compat

#: Names the next run.
NUMBERS = itertools.count()


class Killed(BaseException):
    """The process is gone here."""


def run(work_dir: Path, epochs: int, *, validate: bool = False, **changes: Any) -> Runner:
    """One iteration an epoch; resumed from the newest whole checkpoint if there is one."""
    hook = dict(type='mmmix.SafeCheckpointHook', interval=1, max_keep_ckpts=1)
    made = config(
        work_dir,
        greys(8),
        default_hooks=dict(checkpoint={**hook, **({'save_best': 'auto'} if validate else {}), **changes}),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
    )
    if validate:
        made.update(val_dataloader=made['test_dataloader'], val_evaluator=dict(type='Accuracy'), val_cfg=dict())
    found, _ = newest_whole(work_dir)
    runner = Runner.from_cfg(
        {**made, 'experiment_name': f'files{next(NUMBERS)}', 'resume': bool(found), 'load_from': found}
    )
    runner.train()
    return runner


def epoch_of(work_dir: Path) -> int:
    found, _ = newest_whole(work_dir)
    assert found is not None
    return read_checkpoint(found)['meta']['epoch']


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path, monkeypatch) -> None:
    """``max_keep_ckpts=1``; the second epoch's saving is cut off before each of its steps on the disk."""
    steps: list[str] = []
    cut = 10**9

    def counted(name: str, do: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            if len(steps) == cut:
                raise Killed
            steps.append(name)
            return do(*args, **kwargs)

        return step

    def half_written(path: Path, content: bytes) -> int:
        if len(steps) == cut:
            path.open('wb').write(content[: len(content) // 2])
            raise Killed
        steps.append('write')
        return path.open('wb').write(content)

    run(tmp_path / 'first', 1)
    monkeypatch.setattr(os, 'replace', counted('move', os.replace))
    monkeypatch.setattr(os, 'fsync', counted('sync', os.fsync))
    monkeypatch.setattr(os, 'remove', counted('remove', os.remove))
    monkeypatch.setattr(Path, 'write_bytes', half_written)
    monkeypatch.setattr(LocalBackend, 'put', lambda self, content, path: half_written(Path(path), content))
    seen = set()
    for number in range(100):
        work_dir = tmp_path / str(number)
        work_dir.mkdir()
        shutil.copyfile(tmp_path / 'first' / 'epoch_1.pth', work_dir / 'epoch_1.pth')
        steps.clear()
        cut = number
        try:
            run(work_dir, 2)
        except Killed:
            seen.add(epoch_of(work_dir))
            continue
        break
    expected = ['write', 'sync', 'move', 'sync']
    assert steps == [*expected, *expected, 'remove'], 'the checkpoint, then the note, then the old checkpoint'
    assert seen == {1, 2} and epoch_of(work_dir) == 2
    assert [path.name for path in work_dir.glob('*.pth')] == ['epoch_2.pth']


def test_what_a_killed_run_was_about_to_remove_goes_later(tmp_path: Path) -> None:
    run(tmp_path, 1)
    first = (tmp_path / 'epoch_1.pth').read_bytes()
    run(tmp_path, 2)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_2.pth']
    (tmp_path / 'epoch_1.pth').write_bytes(first)  # killed between the note and the removal
    os.utime(tmp_path / 'epoch_1.pth', (1, 1))
    (tmp_path / '.epoch_3.pth.writing').write_bytes(first[:100])
    run(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir() if 'pth' in path.name] == ['epoch_3.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_3.pth')


def test_max_keep_keeps_the_newest(tmp_path: Path) -> None:
    run(tmp_path, 4, max_keep_ckpts=2)
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_3.pth', 'epoch_4.pth']
    hub = read_checkpoint(tmp_path / 'epoch_4.pth')['message_hub']['runtime_info']
    assert list(hub['keep_ckpt_ids']) == [3, 4]


def test_the_old_best_goes_after_the_new_one_is_there(tmp_path: Path, monkeypatch) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.4])
    monkeypatch.setattr('mmengine.evaluator.Evaluator.evaluate', lambda self, size: {'accuracy': next(scores)})
    gone = []
    remove = os.remove

    def removing(path: str) -> None:
        if 'best' in str(path):
            gone.append((Path(path).name, sorted(each.name for each in tmp_path.glob('best*.pth'))))
        remove(path)

    monkeypatch.setattr(os, 'remove', removing)
    run(tmp_path, 4, validate=True, max_keep_ckpts=-1)
    one, two, four = (f'best_accuracy_epoch_{epoch}.pth' for epoch in (1, 2, 4))
    assert gone == [(one, [one, two]), (two, [two, four])]
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == [four, *(f'epoch_{i}.pth' for i in range(1, 5))]


def test_what_a_kill_left_half_written_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    run(tmp_path, 1)
    left = [tmp_path / f'.{name}.writing' for name in ('epoch_9.pth', 'best_accuracy_epoch_1.pth')]
    for path in left:
        path.write_bytes(b'half')
    run(tmp_path, 2)
    assert epoch_of(tmp_path) == 2
    assert not [path for path in left if path.exists()]


def test_folders_go_as_files_do_and_what_is_needed_stays(tmp_path: Path) -> None:
    """DeepSpeed's checkpoints are folders."""
    files = checkpoint_files.WholeFiles()
    folders, paths = [tmp_path / name for name in 'ab'], [tmp_path / f'{name}.pth' for name in 'cd']
    for folder in folders:
        folder.mkdir()
        (folder / 'rank0.pt').touch()
        files.rmtree(folder)
    for path in paths:
        path.touch()
        files.remove(path)
    files.remove(tmp_path / 'gone.pth')
    assert len(list(tmp_path.iterdir())) == 4, 'nothing goes before it is told to'
    files.remove_postponed(str(folders[0]), None, str(paths[0]))
    assert sorted(each.name for each in tmp_path.iterdir()) == ['a', 'c.pth']
    files.remove_postponed()
    assert len(list(tmp_path.iterdir())) == 2, 'what was needed is not removed later either'


class Elsewhere(BaseStorageBackend):
    """A backend that is none of local files, for all that MMEngine knows."""

    calls: ClassVar[list[tuple[str, str]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self.calls.append((name, Path(args[-1]).name))
            return getattr(LocalBackend(), name)(*args)

        return call

    def get(self, filepath: Any) -> bytes:
        return LocalBackend().get(filepath)

    def get_text(self, filepath: Any) -> str:
        return LocalBackend().get_text(filepath)


def test_what_is_not_saved_in_local_files_is_left_to_mmengine(tmp_path: Path) -> None:
    register_backend('elsewhere', Elsewhere, force=True)
    Elsewhere.calls.clear()
    run(tmp_path, 3, backend_args=dict(backend='elsewhere'))
    assert [path.name for path in tmp_path.glob('epoch_*.pth')] == ['epoch_3.pth']
    assert [name for call, name in Elsewhere.calls if call == 'put'] == [f'epoch_{epoch}.pth' for epoch in (1, 2, 3)]
    assert [name for call, name in Elsewhere.calls if call == 'remove'] == ['epoch_1.pth', 'epoch_2.pth']


@pytest.mark.parametrize('names', [['accuracy'], ['accuracy', 'top1']])
def test_the_old_best_goes_where_nothing_else_is_saved(tmp_path: Path, monkeypatch, names: list[str]) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.4])
    monkeypatch.setattr(
        'mmengine.evaluator.Evaluator.evaluate', lambda self, size: dict.fromkeys(('accuracy', 'top1'), next(scores))
    )
    run(tmp_path, 4, validate=True, interval=10, save_last=False, max_keep_ckpts=-1, save_best=names)
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == [f'best_{name}_epoch_4.pth' for name in names]


# ------------------------------------------------------------------------------------------------------- finding them


def put(path: Path, second: int, content: Any = None) -> Path:
    """A checkpoint written at that second; bytes stand for what a kill left."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content or dict(meta=dict(epoch=second)), path)
    os.utime(path, (second, second))
    return path


def half(path: Path) -> bytes:
    whole = path.read_bytes()
    return whole[: len(whole) // 2]


def test_the_newest_whole_file_whatever_the_note_says(tmp_path: Path) -> None:
    note = tmp_path / 'last_checkpoint'
    assert newest_whole(tmp_path) == (None, [])
    note.touch()  # the process died between opening and writing
    assert newest_whole(tmp_path)[0] is None
    nine, ten = put(tmp_path / 'epoch_9.pth', 9), put(tmp_path / 'epoch_10.pth', 10)
    put(tmp_path / 'best_accuracy_epoch_11.pth', 20)
    put(tmp_path / 'epoch_10-0123abcd.pth', 21)
    for noted in ('', str(nine), '/before/the/move/epoch_9.pth', '/deleted/epoch_8.pth'):
        note.write_text(noted)
        found, lines = newest_whole(tmp_path)
        assert found == str(ten) and lines[-1] == f'Going on from {ten}, the newest whole checkpoint.'
        assert len(lines) == (2 if noted else 1)
    assert lines[0] == '`last_checkpoint` names /deleted/epoch_8.pth, which is missing.'
    os.utime(nine, (30, 30))
    assert newest_whole(tmp_path)[0] == str(nine), 'a run that began again in an old work dir'


@pytest.mark.parametrize('rest', [b'', b'PK', 'half'])
def test_what_is_not_whole_is_skipped_and_named(tmp_path: Path, rest: Any) -> None:
    good = put(tmp_path / 'epoch_1.pth', 1)
    bad = put(tmp_path / 'epoch_2.pth', 2, half(good) if rest == 'half' else rest)
    (tmp_path / 'last_checkpoint').touch()
    found, lines = newest_whole(tmp_path)
    assert found == str(good)
    assert len(lines) == 2 and lines[0].startswith(f'Skipped: {str(bad)!r} is no whole checkpoint (')
    put(good, 1, half(bad))
    found, lines = newest_whole(tmp_path)
    assert found is None and len(lines) == 2


def test_the_note_says_where_they_are_and_how_they_are_called(tmp_path: Path) -> None:
    work_dir, out_dir = tmp_path / 'run', tmp_path / 'out'
    work_dir.mkdir()
    out_dir.mkdir()
    put(out_dir / 'step3_of_run.pth', 3)
    newer = put(out_dir / 'step4_of_run.pth', 4)
    (work_dir / 'last_checkpoint').write_text(str(out_dir / 'step3_of_run.pth'))
    assert newest_whole(work_dir)[0] == str(newer)
    (work_dir / 'last_checkpoint').write_text('s3://bucket/run/epoch_3.pth')
    assert newest_whole(work_dir)[0] == 's3://bucket/run/epoch_3.pth'


def test_a_foreign_file_is_whole_and_no_reason_to_take_an_older_one(tmp_path: Path) -> None:
    put(tmp_path / 'epoch_1.pth', 1)
    foreign = put(tmp_path / 'epoch_2.pth', 2, dict(meta=dict(epoch=2), extra=Path('.')))
    assert newest_whole(tmp_path)[0] == str(foreign)


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / 'sub' / 'file'
    write_whole(path, b'old')
    assert path.read_bytes() == b'old'

    def full(number: int) -> None:
        raise OSError('the disk is full')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='full'):
        write_whole(path, b'new and longer')
    assert path.read_bytes() == b'old'
