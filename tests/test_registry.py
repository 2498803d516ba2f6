"""Names in configs: ``mmmix.X`` is ours or a one-line error that says what to write; other names are found as ever."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmengine.registry
import mmpretrain.registry
import pytest
import torch
from mmengine.registry import DefaultScope
from networks import RESNET

import mmmix.registry


def message(build: Any, config: dict) -> str:
    with pytest.raises(KeyError) as error:
        build(config)
    text = str(error.value)
    assert '\n' not in text and text.startswith('mmmix'), text
    return text


@pytest.mark.parametrize('package', [mmengine, mmpretrain, mmmix], ids=lambda package: package.__name__)
@pytest.mark.parametrize(
    ('registry', 'name', 'words'),
    [
        ('MODELS', 'SumixHead', 'did you mean mmmix.SUMixHead'),
        ('MODELS', 'LinearClsHead', 'did you mean mmpretrain.LinearClsHead'),
        ('HOOKS', 'HardSampelHook', 'did you mean mmmix.HardSampleHook?'),
        ('TRANSFORMS', 'CutMix', 'mmmix.CutMix is a mixer, not a transform: name it in `model.train_cfg.augments`.'),
        ('TRANSFORMS', 'RandomErasing', 'or take mmpretrain.RandomErasing'),
        ('TRANSFORMS', 'Nothing', 'there are AugMix, KeepAugment, KeepAutoAugment'),
        ('HOOKS', 'HardPool', 'name it in a mixer'),
    ],
)
def test_a_name_with_our_scope_is_ours_or_an_error(package: Any, registry: str, name: str, words: str) -> None:
    """Whoever is asked: mmengine's registry, mmpretrain's, or our own."""
    assert words in message(getattr(package.registry, registry).build, dict(type=f'mmmix.{name}'))


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('Cutmix', 'mmmix has no mixer Cutmix: did you mean mmmix.CutMix'),
        ('HardPol', 'did you mean mmmix.HardPool (a part of mixers)?'),
        ('KeepAugmen', 'mmmix.KeepAugment (a transform)'),
    ],
)
def test_nearest_names_of_mixers(name: str, words: str) -> None:
    assert words in message(mmpretrain.registry.BATCH_AUGMENTS.build, dict(type=f'mmmix.{name}'))


def test_a_mixer_in_a_pipeline() -> None:
    dataset = dict(type='mmmix.Digits', pipeline=[dict(type='mmmix.Mixup')])
    assert 'name it in `model.train_cfg.augments`' in message(mmpretrain.registry.DATASETS.build, dataset)


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmmix'])
def test_names_without_a_scope_are_found_as_ever(scope: str) -> None:
    """``default_scope='mmmix'`` finds mmpretrain's and MMEngine's types, and its own first."""
    with DefaultScope.overwrite_default_scope(scope):
        model = mmengine.registry.MODELS.build(
            dict(type='ImageClassifier', backbone=RESNET['backbone'], head=dict(type='LinearClsHead', **SIZES))
        )
        ours = mmmix.registry.MODELS.build(dict(type='mmmix.MixClassifier', **RESNET))
        assert mmengine.registry.HOOKS.build(dict(type='CheckpointHook')) is not None
        erasing = mmengine.registry.TRANSFORMS.build(dict(type='RandomErasing'))
        mixer = mmmix.registry.BATCH_AUGMENTS.build(dict(type='CutMix', alpha=1.0))
    assert type(model).__module__.startswith('mmpretrain') and type(model.head).__name__ == 'LinearClsHead'
    assert type(ours.backbone).__name__ == 'ResNet_CIFAR' and type(erasing).__module__.startswith('mmpretrain')
    assert type(mixer).__module__.startswith(scope)


def test_our_registry_finds_what_its_parents_have_without_a_default_scope() -> None:
    assert isinstance(mmmix.registry.MODELS.build(dict(type='GlobalAveragePooling')), torch.nn.Module)
    assert mmmix.registry.MODELS.get('mmengine.BaseModel') is mmengine.registry.MODELS.get('BaseModel')


def test_a_registry_loads_its_parents_before_it_looks_into_them(tmp_path: Path, monkeypatch) -> None:
    """A config with the base ``mmmix::...`` is built in our scope, where nobody has asked mmpretrain yet."""
    (tmp_path / 'lazy_types.py').write_text(
        'import lazy_host\n\n@lazy_host.PARENT.register_module()\nclass Lazy: ...\n'
    )
    parent = mmengine.registry.Registry('lazy', scope='lazy', locations=['lazy_types'])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, 'lazy_host', SimpleNamespace(PARENT=parent))
    child = mmmix.registry.OwnRegistry(parent, ['mmmix'], 'toy', '`toys`')
    assert type(child.build(dict(type='Lazy'))).__name__ == 'Lazy'


@pytest.mark.slow
def test_a_config_with_a_base_of_ours_is_trained_by_our_tool(tmp_path: Path) -> None:
    """In a process of its own, where nothing of mmpretrain is imported yet."""
    lines = ["_base_ = 'mmmix::quickstart/resnet_digits.py'", 'train_cfg = dict(max_epochs=1)']
    lines.append('train_dataloader = dict(dataset=dict(indices=40))')
    (tmp_path / 'mine.py').write_text('\n'.join(lines))
    train = Path(__file__).resolve().parents[1] / 'tools/train.py'
    subprocess.run([sys.executable, str(train), 'mine.py'], cwd=tmp_path, check=True, timeout=300)
    assert (tmp_path / 'work_dirs/mine/epoch_1.pth').is_file()


def test_whole_paths_are_found_as_ever() -> None:
    found = mmpretrain.registry.BATCH_AUGMENTS.get('mmmix.mixers.cutmix.CutMix')
    assert found is mmpretrain.registry.BATCH_AUGMENTS.get('mmmix.CutMix') is mmmix.CutMix


SIZES = dict(num_classes=5, in_channels=64)
