"""UDA and FixMatch from start to end on digits, and what a killed run becomes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from mmmix.cli import build_runner

ROOT = Path(__file__).resolve().parents[2]


def config_of(name: str, work_dir: Path, epochs: int = 2) -> Config:
    config = Config.fromfile(ROOT / f'configs/semi_supervised/{name}.py')
    config.merge_from_dict({'train_dataloader.sampler.iterations': 2, 'train_cfg.max_epochs': epochs,
                            'train_cfg.val_interval': epochs, 'val_dataloader.dataset.indices': 20,
                            'model.threshold': 0.1, 'default_hooks.checkpoint.interval': 1,
                            'custom_hooks': [dict(type='mmmix.RandomStateHook')]})  # fmt: skip
    config.update(work_dir=str(work_dir), launcher='none', log_level='ERROR', experiment_name=f'{name}-{work_dir.name}')
    return config


@pytest.mark.parametrize('name', ['resnet_none_digits-40', 'resnet_uda_digits-40', 'resnet_fixmatch_digits-40'])
def test_from_start_to_end(name: str, tmp_path: Path) -> None:
    runner = build_runner(config_of(name, tmp_path))
    before = runner.model.head.fc.weight.clone()
    runner.train()
    logged = runner.message_hub.log_scalars
    assert ('train/loss_unlabelled' in logged) == ('none' not in name)
    assert all(bool(torch.isfinite(value).all()) for value in runner.model.state_dict().values())
    assert not torch.equal(before, runner.model.head.fc.weight)


def test_a_resumed_run_is_the_run_that_was_never_killed(tmp_path: Path) -> None:
    def states(runner: Any) -> dict:
        return {key: value.clone() for key, value in runner.model.state_dict().items()}

    whole = build_runner(config_of('resnet_uda_digits-40', tmp_path / 'whole'))
    whole.train()
    first = config_of('resnet_uda_digits-40', tmp_path / 'killed')
    first.train_cfg.max_epochs = 1
    build_runner(first).train()
    again = config_of('resnet_uda_digits-40', tmp_path / 'killed')
    again.update(resume=True, experiment_name='again')
    resumed = build_runner(again)
    resumed.train()
    expected, found = states(whole), states(resumed)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
