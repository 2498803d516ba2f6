"""The package as strangers get it: its version, its complaints, and what it brings to other projects."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

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


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py defines, and as ``given`` what it hands to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr('setuptools.setup', given.update)
    return {**runpy.run_path(str(ROOT / 'setup.py')), 'given': given}


def links(text: str) -> list[str]:
    """Where a page leads to, outside its blocks of code."""
    prose = re.sub(r'^```.*?^```$', '', text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r'\]\(([^)]+)\)', prose)


def test_the_page_of_an_index_leads_nowhere_that_is_not_there(packaging: dict[str, Any]) -> None:
    text, page = (ROOT / 'README.md').read_text(encoding='utf-8'), packaging['given']['long_description']
    assert len(links(text)) > 20 and all(link.startswith('https://') for link in links(page))
    assert packaging['URL'] is not None or '![' not in page
    blocks = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
    assert blocks.findall(page) == blocks.findall(text)


def test_a_public_address_makes_links_and_pictures_work(packaging: dict[str, Any]) -> None:
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    home = 'https://example.com/x/mmmix'
    page = packaging['described'](text, home)
    version = f'v{mmmix.__version__}/'
    for before, after in zip(links(text), links(page), strict=True):
        if before.startswith('https://'):
            assert after == before
        else:
            kind = 'raw' if before.endswith('.png') else 'blob'
            assert after == f'{home}/{kind}/{version}{before}' and (ROOT / before.split('#')[0]).exists()
    example = '[a\nb](c.md#d) ![e](f.png) [g](#h)\n```md\n[i](j)\n```\n'
    assert packaging['described'](example, home) == (
        f'[a\nb]({home}/blob/{version}c.md#d) ![e]({home}/raw/{version}f.png) [g](#h)\n```md\n[i](j)\n```\n'
    )
    assert packaging['described'](example, None) == 'a\nb (picture: e) [g](#h)\n```md\n[i](j)\n```\n'


def test_what_an_index_shows(packaging: dict[str, Any]) -> None:
    given = packaging['given']
    assert (
        given['author']
        and given['license'] == 'Apache-2.0'
        and given['long_description_content_type'] == 'text/markdown'
    )
    named = {match[1] for each in given['classifiers'] if (match := re.fullmatch(r'.*Python :: (3\.\d+)', each))}
    bounds = re.fullmatch(r'>=3\.(\d+),<3\.(\d+)', given['python_requires'])
    assert bounds is not None
    least, beyond = bounds.groups()
    assert named == {f'3.{minor}' for minor in range(int(least), int(beyond))}
    assert given['project_urls'] and all(url.startswith('https://') for url in given['project_urls'].values())


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


@pytest.mark.slow
def test_a_source_distribution_builds_the_same_wheel(checkout: Path, tmp_path: Path) -> None:
    names = []
    for made, command in (('first', 'bdist_wheel'), ('source', 'sdist'), ('second', 'bdist_wheel')):
        where = checkout
        if made == 'second':
            with tarfile.open(next((tmp_path / 'source').iterdir())) as archive:
                archive.extractall(tmp_path, filter='data')
            (where,) = tmp_path.glob('mmmix-*')
            assert (where / 'MANIFEST.in').is_file()
        result = python('setup.py', '--quiet', command, '--dist-dir', str(tmp_path / made), cwd=where)
        assert result.returncode == 0, result.stderr
        if command == 'bdist_wheel':
            names.append(sorted(zipfile.ZipFile(next((tmp_path / made).iterdir())).namelist()))
    assert names[0] == names[1] and len(names[0]) > 500


def test_model_index_names_files_that_exist():
    imports = load(ROOT / 'model-index.yml')['Import']
    assert sorted(imports) == sorted(str(p.relative_to(ROOT)) for p in (ROOT / 'configs').rglob('metafile.yml'))
    for name in imports:
        for model in load(ROOT / name)['Models']:
            assert (ROOT / model['Config']).is_file(), model['Name']
