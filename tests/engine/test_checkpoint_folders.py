"""Checkpoints of which every rank writes a part are folders: as whole as files."""

import os
from pathlib import Path

from mmmix.engine import checkpoint_files


def test_a_folder_takes_the_place_of_an_older_one(tmp_path: Path, monkeypatch) -> None:
    """Every rank writes a file into it; all of them are on the disk before it gets its name."""
    target, writing = tmp_path / 'epoch_1.pth', tmp_path / '.epoch_1.pth.writing'
    for folder, content in ((target, b'old'), (writing / 'deep', b'new')):
        folder.mkdir(parents=True)
        (folder / 'rank0.pth').write_bytes(content)
    synced: list[str] = []
    there: list[list[str]] = []
    fsync, replace = os.fsync, os.replace

    def syncing(number: int) -> None:
        synced.append(os.readlink(f'/proc/self/fd/{number}'))
        fsync(number)

    def moving(source: Path, destination: Path) -> None:
        there.append(list(synced))
        replace(source, destination)

    monkeypatch.setattr(os, 'fsync', syncing)
    monkeypatch.setattr(os, 'replace', moving)
    checkpoint_files.publish(target)
    assert (target / 'deep' / 'rank0.pth').read_bytes() == b'new' and not writing.exists()
    assert [path.name for path in target.iterdir()] == ['deep']
    assert str(writing / 'deep' / 'rank0.pth') in there[0] and synced[-1] == str(tmp_path)
