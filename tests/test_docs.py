"""What the pages say about configs is true: each one that they show builds."""

import ast
import re
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmpretrain.registry import BATCH_AUGMENTS

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


@pytest.mark.parametrize('name', ['dense_labels'])
def test_blocks_of_a_page_run_in_their_order(name: str) -> None:
    page = (DOCS / f'{name}.md').read_text(encoding='utf-8')
    blocks = re.findall(r'```python\n(.*?)```', page, re.DOTALL)
    assert len(blocks) > 3
    scope: dict = {}
    for block in blocks:
        exec(compile(block, f'{name}.md', 'exec'), scope)
    links = re.findall(r'\]\((?!http)([^)#]+)\)', page)
    assert links and all((DOCS / link).exists() for link in links)
    for used in set(re.findall(r'mmmix\.([A-Z]\w+)', page)):
        assert hasattr(mmmix, used), used
