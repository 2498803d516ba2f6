"""Configs of the learned mixers: they train, have the settings that stand beside their figures, and are all told of."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mmengine.registry import init_default_scope
from test_configs import ROOT, load, mixer_of, trained

METHODS = ('automix', 'samix', 'adautomix')
PATHS = [path for method in METHODS for path in sorted((ROOT / 'configs' / method).glob(f'*-{method}_*.py'))]
#: One for each kind of network, data set and schedule; the others differ from one of them in a number.
TRAINED = [
    'automix/resnet18_800e-automix_cifar100',
    'automix/resnext50_400e-automix_tiny-imagenet',
    'automix/deit-small_300e-automix_in1k',
    'automix/resnet18_200e-automix_aircraft',
    'samix/resnext50_800e-samix_cifar100',
    'samix/resnet50_100e-samix_in1k',
    'samix/resnext50_200e-samix_cub',
    'samix/swin-tiny_200e-samix_cifar100',
    'adautomix/resnet18_200e-adautomix_cifar100',
    'adautomix/resnext50_800e-adautomix_cifar100',
    'adautomix/resnet18_400e-adautomix_tiny-imagenet',
    'adautomix/resnet50_100e-adautomix_in1k',
    'adautomix/resnext50_200e-adautomix_aircraft',
    'adautomix/deit-small_200e-adautomix_cifar100',
    'adautomix/swin-tiny_200e-adautomix_cifar100',
]


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('mmpretrain')


@pytest.mark.parametrize('name', TRAINED)
def test_config_trains_two_iterations(name: str, tmp_path: Path) -> None:
    """The teacher follows, the block is in the optimizer at the rate that the config gives it."""
    path = ROOT / 'configs' / f'{name}.py'
    runner: Any = trained(path, tmp_path)
    ((kind, learner),) = runner.model.learned.items()
    assert kind == path.parent.name and int(learner.teacher.steps) == 2
    groups = runner.optim_wrapper.optimizer.param_groups
    rates = {id(p): group['initial_lr'] for group in groups for p in group['params']}
    base = load(path).optim_wrapper.optimizer.lr
    keys = load(path).optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    own = keys.get(f'learned.{kind}.block', {}).get('lr_mult', 1.0)
    assert {rates[id(p)] for p in learner.block.parameters()} == {base * own}
    assert not any(id(p) in rates for p in learner.teacher.parameters() if p.requires_grad)
    assert all(bool(torch.isfinite(p).all()) for p in learner.parameters())


def settings(path: Path) -> dict[str, Any]:
    """What the mixer of a config is built with."""
    config = load(path)
    assert config.model.type == 'mmmix.MixClassifier'
    return dict(mixer_of(config))


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_settings_are_the_authors(path: Path) -> None:
    found, config = settings(path), load(path)
    kind, data = path.parent.name, path.stem.rsplit('_', 1)[1]
    transformer = config.model.backbone.type in ('VisionTransformer', 'SwinTransformer')
    assert config.custom_hooks == [dict(type='mmmix.TeacherHook')]
    assert found.get('alpha', 2.0 if kind != 'adautomix' else 1.0) == (1.0 if kind == 'adautomix' else 2.0)
    large = data in ('in1k', 'cub', 'aircraft')
    end = found.get('momentum', (0.999, 0.999999))[1]
    if kind == 'adautomix':
        fine = {'cub': (0.3, 0.1), 'aircraft': (0.3, 0.6)}
        same = {'cifar100': 0.3, 'tiny-imagenet': 0.4, 'in1k': 0.1}.get(data)
        assert found.get('beta', 0.3) == (same or fine[data][path.stem.startswith('resnext50')])
        assert found.get('n_images', 3) == (2 if data == 'in1k' else 3)
        swin = config.model.backbone.type == 'SwinTransformer'
        assert found.get('fewer', False) == (
            swin or data == 'aircraft' or path.stem.startswith('resnet18_200e-adautomix_cub')
        )
        assert found.get('lam_margin', 0.03) == (0 if swin or path.stem == 'resnet18_200e-adautomix_aircraft' else 0.03)
        assert end == (0.99996 if transformer else 0.99999 if large else 0.999999)
        assert found.get('upsample', 'bilinear') == ('nearest' if transformer else 'bilinear')
    else:
        assert found.get('mask_decay', False) == large
        assert end == (0.99996 if (kind, data) == ('samix', 'aircraft') else 0.99999 if large else 0.999999)
    if kind == 'samix':
        residual = data == 'in1k' or path.stem.startswith('resnet18_400e')
        assert found.get('curve', 0.25) == (None if residual else 1.0 if data in ('cub', 'aircraft') else 0.25)
        assert found.get('dropout', 0.0) == (0.1 if large else 0.0)
    if not transformer:
        rate = config.optim_wrapper.optimizer.lr
        keys = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
        own = rate * keys.get(f'learned.{kind}.block', {}).get('lr_mult', 1.0)
        if config.model.backbone.type != 'mmmix.WideResNet_CIFAR':
            assert own == pytest.approx(0.01 if data in ('cub', 'aircraft') and kind != 'adautomix' else 0.1)
            floor = 0.0 if large or path.stem.startswith('resnet18_400e-adautomix') else 0.05
            floor = 0.0005 if path.stem == 'resnet18_200e-adautomix_aircraft' else floor
            assert config.param_scheduler.get('eta_min', 0.0) == floor


@pytest.mark.parametrize('method', METHODS)
def test_readme_and_metafile_agree(method: str) -> None:
    folder = ROOT / 'configs' / method
    readme, models = (folder / 'README.md').read_text(), yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    assert {model['Name'] for model in models} == {path.stem for path in folder.glob('*.py')}
    for model in models:
        rows = [line for line in readme.splitlines() if f'({model["Name"]}.py)' in line]
        figures = [value for result in model.get('Results', []) for value in result['Metrics'].values()]
        assert rows and all('`not run`' in row for row in rows)
        if f'-{method}_' in model['Name']:
            assert any(f'| {f"{figures[0]:.2f}" if figures else "none"} |' in row for row in rows)
    shown = folder / f'resnet18_200e-{method}_cifar100.py'
    assert shown.read_text() in readme, 'the README shows the config as it is'
