"""Small guards: nothing is registered without a test, a config and a line for its users, and no habit slips."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from mmengine.registry import Registry
from table import TABLE

import mmmix
from mmmix.registry import BATCH_AUGMENTS, TASK_UTILS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / 'mmmix').rglob('*.py'))
sources = pytest.mark.parametrize('path', SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))
PAGES = '\n'.join(path.read_text(encoding='utf-8') for path in [*CONFIGS, *(ROOT / 'configs').rglob('README.md')])


def registered(registry: Registry) -> list[str]:
    """Our own names in a registry."""
    registry.import_from_location()
    return sorted(name for name, cls in registry.module_dict.items() if cls.__module__.split('.')[0] == mmmix.__name__)


MIXERS, PARTS = registered(BATCH_AUGMENTS), registered(TASK_UTILS)


def test_there_are_some() -> None:
    assert {'Mixup', 'CutMix', 'ManifoldMix', 'SMMix'} <= set(MIXERS)
    assert {'Permutation', 'SelectiveCut', 'InputGradient', 'TransMix'} <= set(PARTS)


@pytest.mark.parametrize('name', MIXERS)
def test_a_mixer_has_a_row(name: str) -> None:
    assert name in {row.name for row in TABLE}, f'add a Row({name!r}) to tests/table.py'


@pytest.mark.parametrize('name', MIXERS)
def test_a_mixer_is_in_the_configs(name: str) -> None:
    assert re.search(rf'\bmmmix\.{name}\b|`{name}\b', PAGES), (
        f'use mmmix.{name} in a config, or tell of it in a README of configs/'
    )


@pytest.mark.parametrize('name', MIXERS)
def test_a_mixer_has_a_line_in_the_readme(name: str) -> None:
    path = ROOT / 'README.md'
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    if '<!-- table -->' in text or not text:
        pytest.skip('the README has no table yet')
    found = re.search(rf'\b{name}\b', text)
    assert found, f'add {name} to the table in README.md'


@pytest.mark.parametrize('name', [*MIXERS, *PARTS])
def test_what_is_registered_is_reachable_and_documented(name: str) -> None:
    cls = getattr(mmmix, name)
    doc = cls.__doc__ or ''
    assert cls.__name__ == name and 'Example:' in doc and '>>> ' in doc
    takes = [arg for arg in ast_arguments(cls) if arg not in ('self', 'at')]
    assert not takes or 'Args:' in doc
    for arg in takes:
        assert re.search(rf'^\s+{arg} \(', doc, re.MULTILINE), f'{name} does not tell of `{arg}`'


def ast_arguments(cls: type) -> list[str]:
    """What the class's own ``__init__`` takes."""
    import inspect

    return list(inspect.signature(cls.__init__).parameters) if '__init__' in vars(cls) else []  # type: ignore[misc]


@sources
def test_no_device_and_no_randomness_from_elsewhere(path: Path) -> None:
    """A mixer runs on the device of its batch, and torch's seed decides."""
    if path.name == 'random_states.py':
        pytest.skip('it saves and restores the states of all generators')
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != 'cuda', f'{path}:{node.lineno} calls .cuda()'
        if isinstance(node, ast.Attribute) and node.attr == 'random' and isinstance(node.value, ast.Name):
            assert node.value.id not in ('np', 'numpy'), f'{path}:{node.lineno} uses the randomness of numpy'
        if isinstance(node, ast.Import):
            assert 'random' not in {alias.name for alias in node.names}, f'{path}:{node.lineno} imports random'
        if isinstance(node, ast.ImportFrom):
            assert node.module not in ('random', 'numpy.random') or node.level, f'{path}:{node.lineno} imports random'


@sources
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding='utf-8').splitlines()) < 400


def test_every_page_of_configs_is_in_the_index() -> None:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))['Import']
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('metafile.yml'))
    assert sorted(index) == found
    for name in found:
        meta = yaml.safe_load((ROOT / name).read_text(encoding='utf-8'))
        collections = {collection['Name'] for collection in meta['Collections']}
        for model in meta['Models']:
            assert (ROOT / model['Config']).exists(), model['Config']
            assert model['In Collection'] in collections
