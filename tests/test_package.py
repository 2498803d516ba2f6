"""The package as strangers get it: its version, its complaints, and what it brings to other projects."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from mmengine.fileio import load

import mmmix
from mmmix import family

ROOT = Path(__file__).resolve().parent.parent


def python(*arguments: str, cwd: Path = ROOT, path: Path | None = None) -> subprocess.CompletedProcess:
    """Run Python in a process of its own, with ``path`` in front of its search path."""
    search = [str(path)] if path else []
    search += filter(None, [os.environ.get('PYTHONPATH')])
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(search)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_version_is_that_of_setup():
    result = python('setup.py', '--version')
    assert result.stdout.splitlines()[-1:] == [mmmix.__version__], result.stderr


def test_untried_version_is_a_warning(monkeypatch):
    monkeypatch.setattr(metadata, 'version', lambda name: '99.0')
    with pytest.warns(UserWarning, match='mmmix was not tried with ') as caught:
        family.check()
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 3
    assert messages[0].startswith('mmmix was not tried with onedl-mmengine 99.0: install "onedl-mmengine>=')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A copy of what packaging reads, so that building leaves no trace here."""
    copy = tmp_path_factory.mktemp('checkout')
    ignored = shutil.ignore_patterns('__pycache__', '.mim')
    for path in (ROOT / name for name in ('configs', 'mmmix', 'tools')):
        shutil.copytree(path, copy / path.name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, copy)
    return copy


@pytest.fixture(scope='module', params=['wheel', 'editable'])
def installed(request, checkout, tmp_path_factory) -> Path:
    """The directory to put on the search path after a plain and after an editable install."""
    command = {'wheel': 'bdist_wheel', 'editable': 'editable_wheel'}[request.param]
    target = tmp_path_factory.mktemp(request.param)
    result = python('setup.py', '--quiet', command, '--dist-dir', str(target), cwd=checkout)
    assert result.returncode == 0, result.stderr
    if request.param == 'editable':
        return checkout
    (wheel,) = target.glob('*.whl')
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_configs_and_tools_come_along(installed):
    mim = installed / 'mmmix' / '.mim'
    for folder in ('configs', 'tools'):
        ours = {p.relative_to(ROOT) for p in (ROOT / folder).rglob('*') if p.is_file() and '__pycache__' not in p.parts}
        theirs = {p.relative_to(mim) for p in (mim / folder).rglob('*') if p.is_file()}
        assert theirs == ours
    assert (mim / 'model-index.yml').is_file()
    assert (installed / 'mmmix' / 'py.typed').is_file()


@pytest.mark.compat
def test_configs_of_other_projects_inherit_ours(installed, tmp_path):
    (tmp_path / 'theirs.py').write_text("_base_ = 'mmmix::quickstart/resnet_digits_none.py'\nmodel = dict(neck=None)\n")
    code = (
        'import mmmix; from mmengine.config import Config; '
        "model = Config.fromfile('theirs.py').model; print(mmmix.__file__, model.neck, model.backbone.type)"
    )
    result = python('-c', code, cwd=tmp_path, path=installed)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(installed / 'mmmix' / '__init__.py'), 'None', 'ResNet_CIFAR']


def test_model_index_names_files_that_exist():
    imports = load(ROOT / 'model-index.yml')['Import']
    assert sorted(imports) == sorted(str(p.relative_to(ROOT)) for p in (ROOT / 'configs').rglob('metafile.yml'))
    for name in imports:
        for model in load(ROOT / name)['Models']:
            assert (ROOT / model['Config']).is_file(), model['Name']
