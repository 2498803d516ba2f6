"""The house is as CONTRIBUTING tells it: its example runs, its picture matches, and imports that point up are found."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from table import CASES, IDS, Row

from mmmix import Mixer

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')


def test_the_example_of_a_new_mixer() -> None:
    """It is complete: it runs as it stands, within the lines that are promised, and keeps the laws."""
    code = re.search(r'```python\n(.*?)```', CONTRIBUTING, re.DOTALL)
    assert code is not None
    module = ModuleType('leftmix')
    exec(compile(code[1], 'leftmix.py', 'exec'), vars(module))
    kind = module.LeftMix
    assert issubclass(kind, Mixer) and 'step (int)' in kind.__doc__ and 'alpha (float)' in kind.__doc__
    without_docs = re.sub(r'"""(?:.|\n)*?"""\n', '', code[1])
    assert len([line for line in without_docs.splitlines() if line.strip()]) <= 25
    eye = torch.eye(8)
    images = eye[:, :, None, None].expand(-1, -1, 12, 10).contiguous()
    for mode in ('batch', 'elem'):
        mix = kind(step=3, lam_mode=mode).mix(images, eye)
        torch.testing.assert_close(mix.images.mean((2, 3)), mix.scores)
    with pytest.raises(ValueError, match='LeftMix: `step` must be a whole number of at least 1'):
        kind(step=0)


def test_the_picture_matches_the_tree() -> None:
    picture = re.search(r'## The house.*?```\n(.*?)```', CONTRIBUTING, re.DOTALL)
    assert picture is not None
    drawn = set(re.findall(r'\b([a-z]+)/', picture[1])) - {'mmmix', 'tools', 'benchmarks'}
    folders = {path.name for path in (ROOT / 'mmmix').iterdir() if (path / '__init__.py').exists()}
    assert drawn == folders


@pytest.mark.parametrize('folder', ['mmmix', 'tools', 'benchmarks'])
def test_no_file_is_long(folder: str) -> None:
    lengths = {path: len(path.read_text(encoding='utf-8').splitlines()) for path in (ROOT / folder).rglob('*.py')}
    assert not {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 300}


def test_no_test_file_is_long() -> None:
    lengths = {path: len(path.read_text(encoding='utf-8').splitlines()) for path in (ROOT / 'tests').rglob('*.py')}
    assert not {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 400}


def test_numbers_are_checked_by_the_field_helpers_alone() -> None:
    by_hand = [
        f'{path.relative_to(ROOT)}: {line.strip()}'
        for path in (ROOT / 'mmmix').rglob('*.py')
        if path.name != 'fields.py'
        for line in path.read_text(encoding='utf-8').splitlines()
        if re.search(r'isinstance\([^)]*\bbool\b', line)
    ]
    assert not by_hand


@pytest.mark.parametrize(
    ('path', 'line', 'broken'),
    [
        ('mmmix/ops/boxes.py', 'from ..core.mix import Mix', 'imports point down'),
        ('mmmix/core/part.py', 'if TYPE_CHECKING:\n    from ..mixers.mixup import Mixup', 'imports point down'),
        ('mmmix/guides/teacher.py', 'def late():\n    import mmpretrain', 'the rooms need torch alone'),
        ('mmmix/guides/teacher.py', 'from ..labels.area import Area', 'imports point down'),
        ('mmmix/core/mix.py', 'from .roles import Guide', 'no file needs itself by way of others'),
    ],
    ids=['up', 'type-checking', 'openmmlab', 'sideways', 'circle'],
)
@pytest.mark.slow
def test_an_import_that_points_up_is_found(path: str, line: str, broken: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / 'mmmix', tmp_path / 'mmmix', ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    lint = [str(Path(sys.executable).with_name('lint-imports')), '--no-cache']
    before = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, env={'PYTHONPATH': str(tmp_path)})
    assert before.returncode == 0, before.stdout
    with (tmp_path / path).open('a', encoding='utf-8') as file:
        file.write(f'\nfrom typing import TYPE_CHECKING\n{line}\n')
    after = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, env={'PYTHONPATH': str(tmp_path)})
    assert after.returncode == 1 and f'{broken} BROKEN' in after.stdout, after.stdout


@pytest.mark.parametrize(('row', 'mode'), CASES, ids=IDS)
def test_every_argument_is_shown(row: Row, mode: str) -> None:
    """The documentation of a mixer names each argument that it takes, inherited ones too, and no other."""
    import inspect

    kind = type(row.build(lam_mode=mode))
    takes = list(inspect.signature(kind).parameters)
    section = re.search(r'\n    Args:\n((?:        .*\n)+)', kind.__doc__ or '')
    assert section is not None
    assert re.findall(r'^        (\w+) \(', section[1], re.MULTILINE) == takes
