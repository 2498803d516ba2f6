"""HardMix configs on small networks and images: they train, their pools fill, the figures are the paper's."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hard_runs import PACK, greys, hook_of, train, unwrapped
from mmengine.config import Config

FOLDER = Path(__file__).resolve().parents[2] / 'configs/hardmix'
SMALL: dict[str, tuple[dict, int]] = {
    'ResNet_CIFAR': (dict(stem_channels=4, base_channels=4), 32),
    'mmmix.WideResNet_CIFAR': (dict(depth=10, widen_factor=1), 64),
    'ResNet': (dict(stem_channels=4, base_channels=4), 128),
}


@pytest.mark.parametrize(
    'name',
    [
        'resnet18_200e-hardmix_cifar10',
        'wrn28-10_200e-hardmix_cifar100',
        'resnet50_300e-hardmix_in1k',
        'resnet18_200e-hardmix-sumix_cifar100',
        'resnet18_200e-hardmix-keepcutmix_cifar100',
        'resnet18_200e-hardmix-salient_cifar100',
    ],
)
def test_a_config_trains_and_draws_from_its_pool(name: str, tmp_path: Path) -> None:
    config: Any = Config.fromfile(FOLDER / f'{name}.py')
    overrides, width = SMALL[config.model.backbone.type]
    config.model.backbone.update(overrides)
    config.model.head.in_channels = width
    mixer = config.model.train_cfg.augments
    mixer.partners = dict(type='mmmix.HardPool', min_size=2, prob=1.0)
    hook = config.custom_hooks[0]
    hook.warmup_epochs = 1
    scans = mixer.prob == 1
    assert scans == ('scan_interval' in hook), 'where no batch is clean, what is hard needs a look of its own'
    enlarge = dict(type='mmpretrain.Resize', scale=32)
    config.train_dataloader.update(num_workers=0, batch_size=8)
    config.train_dataloader.dataset = greys(32, pipeline=[enlarge, *PACK])
    config.train_dataloader.collate_fn = dict(type='default_collate')
    config.merge_from_dict(dict(work_dir=str(tmp_path), log_level='WARNING', launcher='none'))
    config.train_cfg = dict(by_epoch=True, max_epochs=3)
    config.optim_wrapper.optimizer.lr = 0.01
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.test_cfg = config.test_dataloader = config.test_evaluator = None
    if scans:
        hook.scan_interval = 1
        config.test_dataloader = dict(config.train_dataloader, sampler=dict(type='DefaultSampler', shuffle=False))
        config.test_cfg, config.test_evaluator = dict(), dict(type='Accuracy')
    config.default_hooks.checkpoint.interval = -1
    runner, spy = train(deepcopy(config._cfg_dict))
    pool = next(unwrapped(runner).mixers()).partners
    assert any(outcome == 1 for *_, outcome in spy.seen) != scans, 'clean batches tell, or the look alone'
    assert bool((hook_of(runner).table.missed > 0).any()) and pool.fill >= 2
    assert pool.images.dtype.is_floating_point is False, 'grey levels come back exactly'
    assert len(hook_of(runner).table) == 32


@pytest.mark.parametrize('depth', [50, 101])
def test_imagenet_is_trained_as_saliencymix_does(depth: int) -> None:
    config: Any = Config.fromfile(FOLDER / f'resnet{depth}_300e-hardmix_in1k.py')
    assert config.model.train_cfg.augments.prob == 1 and config.custom_hooks[0].scan_interval >= 1
    steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
    assert steps['ColorJitter'].brightness == 0.4 and steps['Lighting'].alphastd == 0.1
    assert config.optim_wrapper.optimizer.nesterov and config.param_scheduler.milestones == [75, 150, 225]


def test_the_papers_error_rates() -> None:
    """From the abstract, top-1 error in percent."""
    paper = {
        'resnet18_200e-hardmix_cifar10': 3.62,
        'resnet50_200e-hardmix_cifar10': 3.54,
        'resnet18_200e-hardmix_cifar100': 19.33,
        'resnet50_200e-hardmix_cifar100': 18.31,
        'wrn28-10_200e-hardmix_cifar100': 16.21,
        'resnet50_300e-hardmix_in1k': 21.20,
        'resnet101_300e-hardmix_in1k': 20.01,
    }
    metafile = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    readme = (FOLDER / 'README.md').read_text()
    found = {}
    for model in metafile['Models']:
        assert (FOLDER.parents[1] / model['Config']).is_file()
        for result in model.get('Results', ()):
            found[model['Name']] = 100 - result['Metrics']['Top 1 Accuracy (paper, not ours)']
    assert found == pytest.approx(paper)
    for name, error in paper.items():
        line = next(line for line in readme.splitlines() if f'[{name}]' in line)
        assert f'| {error:.2f} ' in line and 'not run' in line
    assert {path.stem for path in FOLDER.glob('*.py')} == {model['Name'] for model in metafile['Models']}
