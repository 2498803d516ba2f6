"""KeepAugment under MMEngine's runner: two views through a real loader, a learned head through a checkpoint."""

from pathlib import Path

import pytest
import torch
import yaml
from mmengine.runner import Runner
from mmpretrain.models import ImageClassifier

ROOT = Path(__file__).resolve().parents[2]
PARTS = dict(
    backbone=dict(type='mmmix.WideResNet_CIFAR', depth=10, widen_factor=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
)
EARLY = dict(type='mmmix.EarlyHead', at='backbone.stages.0', scale=0.5)
KEEP = dict(type='mmmix.KeepRandAugment')
PACK = dict(type='PackInputs', algorithm_keys=('clean_view',))


def runner(work_dir: Path, epochs: int, resume: bool, workers: int, **optim: object) -> Runner:
    """Two iterations an epoch on sixteen digits."""
    return Runner(
        model=dict(
            type='mmmix.MixClassifier',
            **PARTS,
            data_preprocessor=dict(mean=[77.8] * 3, std=[82.4] * 3, num_classes=10),
            train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=8, guide=EARLY)),
        ),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=8,
            num_workers=workers,
            dataset=dict(type='mmmix.Digits', indices=16, pipeline=[KEEP, PACK]),
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9), **optim),
        default_scope='mmpretrain',
        experiment_name=work_dir.name,
        resume=resume,
        log_level='ERROR',
    )


@pytest.mark.parametrize('workers', [0, 1])
def test_paste_and_early_head_train_save_and_resume(tmp_path: Path, workers: int) -> None:
    first = runner(tmp_path, 1, resume=False, workers=workers)
    start = first.model.learned['early_backbone_stages_0'].weight.detach().clone()
    first.train()
    trained = first.model.learned['early_backbone_stages_0'].weight.detach()
    assert first.iter == 2 and not torch.equal(start, trained)
    second = runner(tmp_path, 2, resume=True, workers=workers)
    second.load_or_resume()
    assert torch.equal(second.model.learned['early_backbone_stages_0'].weight.detach(), trained)
    second.train()
    assert second.iter == 4
    # A config without mmmix loads the checkpoint: only the learned head is left over.
    state = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['state_dict']
    found = ImageClassifier(**PARTS).load_state_dict(state, strict=False)
    assert found.missing_keys == []
    assert all(key.startswith('learned.') for key in found.unexpected_keys)


def test_readme_and_metafile_agree() -> None:
    folder = ROOT / 'configs' / 'keepaugment'
    models = yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    assert {model['Name'] for model in models} == {path.stem for path in folder.glob('*.py')}
    lines = (folder / 'README.md').read_text().splitlines()
    for model in models:
        (row,) = [line for line in lines if f'({model["Name"]}.py)' in line and line.startswith('|')]
        for value in model['Results'][0]['Metrics'].values():
            assert f'| {value:.1f} (paper) |' in row
