"""Checkpoints as files: written as a whole or not at all, and the newest whole one found again."""

import os
import re
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..compat import BrokenCheckpointError, ForeignCheckpointError, read_checkpoint

#: Name under which MMEngine finds :class:`WholeFiles`.
WHOLE = 'mmmix_whole'
#: What a file is called while it is written.
WRITING = '.{}.writing'


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, each of them whole.

    It is written under another name in the same folder, sent to the disk, and then moved.

    Args:
        path (str | Path): Where it goes.
        content (bytes): What it holds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(WRITING.format(path.name)).write_bytes(content)
    publish(path)


def publish(path: Path) -> None:
    """Give what was written under its name of :data:`WRITING` its own name, once it is on the disk.

    Args:
        path (Path): Where a file goes, or a folder such as the sharded checkpoints of FSDP and DeepSpeed; a folder that
            is there already is removed first.
    """
    writing = path.with_name(WRITING.format(path.name))
    for written in [writing, *(part for part in writing.rglob('*') if part.is_file())]:
        _send_to_disk(written)
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(writing, path)
    _send_to_disk(path.parent)


def _send_to_disk(path: Path) -> None:
    """Wait until a file is on the disk, or what a folder lists, where a system knows folders as files."""
    if path.is_dir() and os.name != 'posix':
        return
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class WholeFiles(LocalBackend):
    """MMEngine's backend for local files; what is removed goes when it is told to.

    Example:
        >>> from mmmix.engine.checkpoint_files import WholeFiles
        >>> files = WholeFiles()
        >>> files.remove('the/last/best.pth')
        >>> files.postponed
        ['the/last/best.pth']
    """

    def __init__(self) -> None:
        #: What will be removed.
        self.postponed: list[str] = []

    def remove(self, filepath: str | Path) -> None:
        """Note a file that is no longer wanted."""
        self.postponed.append(str(filepath))

    rmtree = remove

    def remove_postponed(self, *needed: str | None) -> None:
        """Remove what was noted.

        Args:
            needed (str, optional): Paths that are wanted all the same.
        """
        for path in self.postponed:
            if path in needed:
                continue
            if os.path.isdir(path):
                super().rmtree(path)
            elif os.path.isfile(path):
                super().remove(path)
        self.postponed = []


register_backend(WHOLE, WholeFiles, force=True)


def newest_whole(work_dir: str | Path) -> tuple[str | None, list[str]]:
    """Find the checkpoint that a run goes on from, whatever a kill left.

    The files count, not the note ``last_checkpoint``: the newest one that can be read, by the time of writing. The note
    says where they are if the work dir has none, how they are called, and what does not end in a local file.

    Args:
        work_dir (str | Path): The work dir of the run.

    Returns:
        tuple[str | None, list[str]]: The checkpoint, None if there is none, and lines that say what was skipped, what
        was taken and why.
    """
    work_dir = Path(work_dir)
    note = work_dir / 'last_checkpoint'
    noted = note.read_text(encoding='utf-8', errors='replace').strip('\0 \n') if note.is_file() else ''
    if '://' in noted or (noted and Path(noted).is_dir()):
        return noted, [f'Going on from {noted}, which `last_checkpoint` names.']
    candidates = _candidates(work_dir, noted)
    if not candidates and noted and Path(noted).parent.is_dir():
        candidates = _candidates(Path(noted).parent, noted)
    lines = []
    for path in candidates:
        try:
            read_checkpoint(path, trust=False)
        except BrokenCheckpointError as error:
            lines.append(f'Skipped: {error}')
            continue
        except ForeignCheckpointError:
            pass  # it is whole; whether it is loaded is for the loader to say
        if noted and Path(noted).name != path.name:
            lines.append(f'`last_checkpoint` names {noted}, which is {_state_of(noted, work_dir)}.')
        lines.append(f'Going on from {path}, the newest whole checkpoint.')
        return str(path), lines
    return None, lines


def _candidates(folder: Path, noted: str) -> list[Path]:
    """The checkpoints of a folder, newest first; those of the best epoch and published ones are none of them."""
    pattern = r'(epoch|iter)_\d+\.pth'
    if noted:
        pattern += '|' + re.sub(r'\d+', r'\\d+', re.escape(Path(noted).name))
    found = [path for path in folder.glob('*') if re.fullmatch(pattern, path.name) and path.is_file()]

    def age(path: Path) -> tuple[int, list[int]]:
        return path.stat().st_mtime_ns, [int(number) for number in re.findall(r'\d+', path.name)]

    return sorted(found, key=age, reverse=True)


def _state_of(noted: str, work_dir: Path) -> str:
    there = Path(noted).is_file() or (work_dir / Path(noted).name).is_file()
    return 'older or not whole' if there else 'missing'
