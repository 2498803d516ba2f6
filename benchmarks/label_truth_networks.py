"""The networks that ``label_truth.py`` asks: a ResNet and a vision transformer, trained on scattered digits."""

import logging
import tempfile
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmmix import MixClassifier, ScatteredDigits, cli

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'configs' / 'quickstart' / 'resnet_scattered_none.py'
#: CutMix in half of the batches. The early head is trained beside it and spares nothing: at tau=1 any place will do.
CUTMIX = dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)
EARLY = dict(type='mmmix.SelectiveCut', tau=1.0, guide=dict(type='mmmix.EarlyHead'))
VIT: dict[str, Any] = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=64, num_layers=4, num_heads=4, feedforward_channels=128),
        img_size=32,
        patch_size=4,
    ),
    neck=None,
    head=dict(_delete_=True, type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=64),
)
ADAM: dict[str, Any] = dict(optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05))


@dataclass
class Scenes:
    """The test scenes as a network sees them, and the truth about them.

    Attributes:
        images: ``(N, 3, H, W)``, normalised.
        scores: ``(N, 10)`` labels.
        ink: ``(N, 1, H, W)`` the digit alone, in [0, 1].
    """

    images: Tensor
    scores: Tensor
    ink: Tensor


def read(config: Config) -> Scenes:
    """The test scenes of a config, all at once."""
    told = {key: value for key, value in config.test_dataloader.dataset.items() if key not in ('type', 'pipeline')}
    dataset = ScatteredDigits(**told)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    pixels = torch.from_numpy(np.stack([info['img'] for info in infos])).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(config.data_preprocessor[key]).view(1, 3, 1, 1) for key in ('mean', 'std'))
    ink = torch.from_numpy(np.stack([info['ink'] for info in infos]))[:, None].float() / 255
    return Scenes((pixels - mean) / std, torch.eye(10)[[info['gt_label'] for info in infos]], ink)


def config_of(kind: str, seed: int, epochs: int) -> Config:
    """The quickstart without mixing, with all training digits in two scenes each, CutMix, and this network."""
    config = Config.fromfile(CONFIG)
    keep = {} if kind == 'vit' else dict(keep=EARLY)
    model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments={**CUTMIX, **keep}))
    dataset = dict(indices=None, scenes=2)
    config.merge_from_dict({'model': model, 'train_dataloader': dict(dataset=dataset), 'randomness.seed': seed})
    if kind == 'vit':
        config.merge_from_dict(deepcopy({'model': VIT, 'optim_wrapper': ADAM}))  # It takes `_delete_` out.
    warm_up, cosine = config.param_scheduler
    warm_up.end = cosine.begin = max(1, epochs // 6)
    cosine.end = config.train_cfg.max_epochs = epochs
    return config


def trained(kind: str, seed: int, epochs: int, folder: Path) -> MixClassifier:
    """A trained network in eval mode; the weights are kept in a folder and trained once.

    Args:
        kind (str): ``'resnet'`` or ``'vit'``.
        seed (int): Of the run.
        epochs (int): How long.
        folder (Path): Where weights are kept.
    """
    config, path = config_of(kind, seed, epochs), folder / f'{kind}_{seed}.pth'
    if not path.exists():
        warnings.simplefilter('ignore')
        logging.disable(logging.WARNING)
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
        config.test_cfg = config.test_dataloader = config.test_evaluator = None
        config.default_hooks.checkpoint, config.log_level = None, 'ERROR'
        config.experiment_name = f'{kind}_{seed}'
        with tempfile.TemporaryDirectory() as config.work_dir:
            runner = Runner.from_cfg(config)
            runner.train()
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state_dict=runner.model.state_dict()), path)
        logging.disable(logging.NOTSET)
    return cli.build_classifier(config_of(kind, seed, epochs), str(path), device='cpu')


@torch.no_grad()
def accuracy(model: MixClassifier, scenes: Scenes) -> float:
    """Percent of the scenes that are named right."""
    right = model(scenes.images, mode='tensor').argmax(1) == scenes.scores.argmax(1)
    return 100 * float(right.double().mean())
