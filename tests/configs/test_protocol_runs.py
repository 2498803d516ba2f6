"""What configs of papers ask for beside a network and a schedule: KeepAugment's low resolution, wrong labels."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.models import ImageClassifier

from mmmix import CorruptedLabels
from mmmix.cli import build_runner

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.mark.parametrize(
    'name',
    [
        'reid/resnet50_120e-keeperasing_market1501',
        'reid/resnet101_120e-keeperasing_market1501',
        'semi_supervised/wrn28-2_uda-keeprandaug_cifar10-2500',
        'semi_supervised/wrn28-2_uda-keeprandaug_cifar10-4000',
    ],
)
def test_saliency_without_classes_is_that_of_small_copies(name: str) -> None:
    """KeepAugment, section 4: for these two tasks saliency comes from images of half the resolution."""
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    augments = model.get('unlabelled_augments') or [model.train_cfg.augments]
    (mixer,) = augments
    assert mixer.guide.type == 'mmmix.InputGradient' and mixer.guide.scale == 0.5 and mixer.tau == 0.6


def test_wrong_labels_from_start_to_end(tmp_path: Path) -> None:
    """The config with Mixup and dropout, on digits and with a small network: a fifth of the labels is drawn anew."""
    config = Config.fromfile(CONFIGS / 'corrupted_labels/preact18_200e-mixup-dropout_cifar10-noise20.py')
    pipeline = [dict(type='PackInputs')]
    digits = dict(type='mmmix.Digits', pipeline=pipeline)
    config.train_dataloader.dataset.dataset = dict(digits, split='train', indices=200)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].update(num_workers=0, persistent_workers=False, batch_size=40)
    config.val_dataloader.dataset = config.test_dataloader.dataset = dict(digits, split='test', indices=40)
    config.model.backbone.update(base_channels=4, strides=(1, 2, 2, 2))
    config.model.head.in_channels = 32
    config.train_cfg.update(max_epochs=2, val_interval=1)
    config.update(work_dir=str(tmp_path), launcher='none', log_level='ERROR', experiment_name='wrong labels')
    runner = build_runner(config)
    runner.train()
    dropped = {block.drop_rate for block in runner.model.backbone.modules() if hasattr(block, 'drop_rate')}
    assert dropped == {0.1} and type(runner.model) is ImageClassifier
    dataset = runner.train_dataloader.dataset
    assert isinstance(dataset, CorruptedLabels)
    # Drawn anew from all ten classes, so that a tenth of them is right again.
    assert 0.1 < float(dataset.corrupted.float().mean()) <= 0.2
    accuracies = runner.message_hub.get_scalar('val/accuracy/top1').data[0]
    assert len(accuracies) == 2  # the best and the last are both in the log
