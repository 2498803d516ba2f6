"""What the pages say about configs is true: each one that they show builds."""

import ast
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS, STRATEGIES, init_default_scope
from mmpretrain.registry import BATCH_AUGMENTS, HOOKS, MODELS
from mmpretrain.structures import DataSample

import mmmix

DOCS = Path(__file__).resolve().parent.parent / 'docs'
PAGE = (DOCS / 'from_openmixup.md').read_text()
TABLE = PAGE.split('## Every `mix_mode`')[1].split('## What behaves differently')[0]
CONFIGS = sorted({text for text in re.findall(r"`(dict\(type='mmmix\.[^`]*\))`", TABLE) if 'Loss' not in text})


@pytest.mark.parametrize('text', CONFIGS)
def test_config_of_the_table_builds(text: str) -> None:
    tree = ast.parse(text, mode='eval')
    assert all(isinstance(node.func, ast.Name) for node in ast.walk(tree) if isinstance(node, ast.Call))
    init_default_scope('mmpretrain')
    cfg = eval(compile(tree, text, 'eval'), {'dict': dict})
    if cfg['type'] != 'mmmix.InputGradient':
        assert isinstance(BATCH_AUGMENTS.build(cfg), mmmix.Mixer)


def test_every_name_exists() -> None:
    names = set(re.findall(r'mmmix\.([A-Z]\w+)', PAGE))
    assert len(names) > 25
    for name in names:
        assert hasattr(mmmix, name), name


@pytest.mark.parametrize('name', ['dense_labels', 'detection', 'faq', 'write_a_mixer'])
def test_blocks_of_a_page_run_in_their_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / f'{name}.md').read_text(encoding='utf-8')
    blocks = [block for block in python_of(page) if not block.startswith('_base_')]
    assert len(blocks) > 3
    leftmix = ModuleType('leftmix')
    exec(compile(python_of((DOCS.parent / 'CONTRIBUTING.md').read_text())[0], 'leftmix.py', 'exec'), vars(leftmix))
    monkeypatch.setitem(sys.modules, 'leftmix', leftmix)
    monkeypatch.delitem(BATCH_AUGMENTS.module_dict, 'LeftMix', raising=False)
    scope: dict = {}
    for block in blocks:
        exec(compile(block, f'{name}.md', 'exec'), scope)
    BATCH_AUGMENTS.module_dict.pop('LeftMix', None)
    links = re.findall(r'\]\((?!http)([^)#]+)(?:#[^)]*)?\)', page)
    assert links and all((DOCS / link).exists() for link in links)
    for used in set(re.findall(r'mmmix\.([A-Z]\w+)', page)):
        assert hasattr(mmmix, used), used


def python_of(page: str) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r'```python\n(.*?)```', page, re.DOTALL)


FAQ = python_of((DOCS / 'faq.md').read_text(encoding='utf-8'))


def test_recipes_are_short() -> None:
    assert 'FocalLoss' in TRAINED[-1]
    assert max(len(block.strip().splitlines()) for block in FAQ) <= 10


TRAINED = [block for block in FAQ if block.startswith('_base_')]
TRAINED += [block.replace("type='CrossEntropyLoss', use_sigmoid=True", "type='FocalLoss'") for block in TRAINED[:1]]


@pytest.mark.parametrize('block', TRAINED, ids=range(5))
def test_a_config_of_the_questions_trains(block: str, tmp_path: Path) -> None:
    """Two classes are mixed, and the loss of a step has a gradient."""
    path = tmp_path / 'config.py'
    path.write_text(block, encoding='utf-8')
    config = Config.fromfile(path)
    config.model.backbone.depth, config.model.head.in_channels = 18, 512
    for hook in config.get('custom_hooks', []):
        HOOKS.build(hook)
    torch.manual_seed(0)
    model = MODELS.build(dict(**config.model, data_preprocessor=config.data_preprocessor))
    samples = [DataSample().set_gt_label(label) for label in range(4)]
    batch = model.data_preprocessor(dict(inputs=list(torch.randint(256, (4, 3, 64, 64))), data_samples=samples), True)
    assert all(sample.gt_score.sum().isclose(torch.tensor(1.0)) for sample in batch['data_samples'])
    loss = model(**batch, mode='loss')['loss']
    loss.backward()
    assert loss.isfinite() and model.backbone.conv1.weight.grad.abs().sum() > 0


def test_the_site_has_every_page_and_every_room() -> None:
    """A page of `docs/` that no table of contents names would be found by nobody, a room without a page likewise."""
    index = (DOCS / 'index.md').read_text(encoding='utf-8')
    named = set(re.findall(r'^(\w+|api/\w+)$', index, re.MULTILINE))
    assert named == {path.relative_to(DOCS).with_suffix('').as_posix() for path in DOCS.rglob('*.md')} - {'index'}
    rooms = {path.stem for path in (DOCS / 'api').glob('*.md')}
    assert rooms == {*mmmix._ROOMS, *mmmix._HOSTED}
    assert all(f'automodule:: mmmix.{room}\n' in (DOCS / 'api' / f'{room}.md').read_text() for room in rooms)


RANKS = (DOCS / 'many_ranks.md').read_text(encoding='utf-8')


def test_costs_of_many_ranks_are_those_of_the_benchmark() -> None:
    found = json.loads((DOCS.parent / 'benchmarks' / 'scale.json').read_text(encoding='utf-8'))
    shown = RANKS.split('<!-- scale: begin -->\n')[1].split('<!-- scale: end -->')[0].splitlines()
    expected = [
        f'| {name} | {epoch["ranks"]} | {found["steps"][name]["milliseconds"]:.2f} | 2 | {epoch["sends"] / 1e6:.2f} '
        f'| {epoch["receives"] / 1e6:.0f} | {epoch["milliseconds"]:.0f} |'
        for name, epochs in found['epochs'].items()
        for epoch in epochs
        if epoch['ranks'] <= 64
    ]
    assert shown[2:] == expected and len(expected) == 4


@pytest.mark.parametrize('block', python_of(RANKS), ids=['runner', 'strategy'])
def test_a_config_of_many_ranks_builds(block: str, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(block, encoding='utf-8')
    config = Config.fromfile(path)
    init_default_scope('mmpretrain')
    config.model.backbone.depth, config.model.head.in_channels = 18, 512
    assert MODELS.build(config.model).data_preprocessor.batch_augments is not None
    for hook in [*config.get('custom_hooks', []), config.default_hooks.checkpoint]:
        HOOKS.build(hook)
    if 'runner_type' in config:
        assert RUNNERS.get(config.runner_type) and STRATEGIES.get(config.strategy.type)


def test_many_ranks_names_tests_that_exist() -> None:
    named = re.findall(r'`(tests/[\w/]+\.py)`', RANKS)
    assert len(named) == 4 and all((DOCS.parent / name).is_file() for name in named)
