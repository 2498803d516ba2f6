"""The cards of the site say what configs, classes and benchmarks say; `make docs` sees whether they can be read."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import mmmix

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / 'docs'))
    module = importlib.import_module('cards')
    monkeypatch.setattr(sys.modules['pictures'], 'FOLDER', tmp_path)
    return module


def test_folders_are_named_after_classes(cards: Any) -> None:
    found = {folder: cards.class_of(folder) for folder in cards.folders()}
    assert {folder for folder, met in found.items() if met is None} == {'cmixup', 'randomix', 'speech', 'tables'}
    assert found['cutmix'] == ('mixers', mmmix.CutMix) and found['sumix'][1] is mmmix.SUMixHead


def test_a_run_is_read_from_its_config(cards: Any) -> None:
    model = dict(
        Config='configs/cutmix/resnet18_200e-cutmix_cifar100.py',
        Results=[dict(Dataset='CIFAR-100', Metrics={'Top 1 Accuracy (paper, not ours)': 79.45})],
    )
    run = cards.run_of(model)
    assert run['network'] == 'ResNet_CIFAR 18' and run['epochs'] == 200 and run['paper'] == 79.45
    assert [cards.shown(each) for each in run['mixers']] == ['CutMix(alpha=0.2)']
    assert cards.argument(run['mixers'][0], 'alpha') == '0.2'
    assert cards.argument(run['mixers'][0], 'prob') == '1.0', 'the default of the class'


def test_a_card_goes_behind_the_first_paragraph(cards: Any) -> None:
    lead, rest = cards.split('# X\n\n> [A paper](https://example.com)\n\nWhat it\ndoes.\n\n```python\na\n\nb\n```\n')
    assert lead.endswith('What it\ndoes.') and rest == '```python\na\n\nb\n```\n'
    lead, rest = cards.split('# X\n\n> [A paper](https://example.com)\n\nIt is\nthis:\n\n- a\n')
    assert lead.endswith('example.com)') and rest == 'It is\nthis:\n\n- a\n'


def test_what_the_benchmarks_say(cards: Any) -> None:
    runs = json.loads((ROOT / 'benchmarks' / 'mixers.json').read_text())['runs']
    (ratio,) = [
        each['ratio']
        for each in next(run for run in runs if run['shape'] == 'imagenet' and run['dtype'] == 'float32')['results']
        if (each['package'], each['method'], each['mode']) == ('mmmix', 'CutMix', 'batch')
    ]
    assert f'{ratio:.1f} (`batch`)' in cards.cost('CutMix') and cards.quick(('mixers', mmmix.CutMix)) == f'{ratio:.1f}'
    assert cards.cost('AutoMix') == '', 'it needs a network'
    (arm,) = [arm for arm in cards.numbers('scattered_accuracy')['arms'] if arm['arm'] == 'cutout']
    none = next(arm['top1'] for arm in cards.numbers('scattered_accuracy')['arms'] if arm['arm'] == 'none')
    mean = sum(arm['top1']) / 10 - sum(none) / 10
    assert any(f'**{mean:+.2f} ±' in text and 'no mixing' in text for text in cards.measured('cutout')), 'it hurt'
    for page in cards.COMPARISONS:
        for arm in cards.numbers(page)['arms']:
            for text in cards.measured(arm['arm']):
                mean, *width = (float(word.strip('*')) for word in text.split(' points')[0].split(' ± '))
                half = width[0] if width else float('inf')
                assert ('**' in text) == (abs(mean) > half) or abs(mean) == half, 'bold is what leaves out zero'
    assert not list(cards.measured('flowermix'))


def test_one_pair_of_seeds_has_no_interval(cards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arm = dict(arm='cutmix', base='none', top1_difference=dict(mean=1.5, half=None, pairs=1))
    monkeypatch.setattr(cards, 'numbers', lambda name: dict(arms=[arm]))
    found = list(cards.measured('cutmix'))
    assert len(found) == len(cards.COMPARISONS)
    assert all(text.startswith('+1.50 points to no mixing') for text in found)


def test_a_picture_needs_no_network_or_says_why_there_is_none(cards: Any, tmp_path: Path) -> None:
    assert cards.picture_of(mmmix.HardMix).endswith(
        'In this picture `partners` is `Permutation`, which needs no network.'
    )
    assert (tmp_path / 'hardmix.png').stat().st_size > 10_000
    assert cards.picture_of(mmmix.AutoMix).startswith('There is no picture')
