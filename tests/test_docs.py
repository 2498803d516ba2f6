"""What the pages say about configs is true: each one that they show builds."""

import ast
import re
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmpretrain.registry import BATCH_AUGMENTS

import mmmix

PAGE = (Path(__file__).resolve().parent.parent / 'docs' / 'from_openmixup.md').read_text()
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
