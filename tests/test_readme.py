"""The README says what is true: its configs build, its Python runs, its links lead somewhere."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.registry import HOOKS, MODELS

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
CONFIGS = [block for block in BLOCKS if '_base_' in block]
PROGRAMS = [block for block in BLOCKS if '_base_' not in block]


def test_there_is_something_to_check() -> None:
    assert len(CONFIGS) >= 2
    assert PROGRAMS


@pytest.mark.parametrize('block', CONFIGS, ids=range(len(CONFIGS)))
def test_configs_build(block: str, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(block, encoding='utf-8')
    config = Config.fromfile(path)
    # A small network has the same types in the same places.
    config.model.backbone.depth, config.model.head.in_channels = 18, 512
    model = MODELS.build(config.model)
    augments = model.data_preprocessor.batch_augments.augments
    assert type(augments[0]).__module__.startswith('mmmix.')
    for hook in config.get('custom_hooks', []):
        assert type(HOOKS.build(hook)).__module__.startswith('mmmix.')


@pytest.mark.parametrize('block', PROGRAMS, ids=range(len(PROGRAMS)))
def test_programs_run(block: str) -> None:
    exec(compile(block, 'README.md', 'exec'), {})


def test_files_that_are_named_exist() -> None:
    links = re.findall(r'\]\((?!http)([^)#]+)\)', README) + re.findall(r'(?:python|bash) (tools/\S+)', README)
    assert len(links) > 5
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = set(re.findall(r'(?:^|`)make ([a-z-]+)', README, re.MULTILINE))
    assert {'quickstart', 'test'} <= targets
    assert all(re.search(rf'^{target}:', makefile, re.MULTILINE) for target in targets)
