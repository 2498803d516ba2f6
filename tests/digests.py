"""Digests of what every mixer draws and of what training steps make of the weights: ``python tests/digests.py``.

Not a test: nothing recorded is committed. Print them before a change that must not change anything, and after it, and
compare: ``python tests/digests.py > before.txt``, ..., ``diff before.txt after.txt``. One thread on one machine.
"""

import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from table import CASES, Row
from torch import Tensor

from mmmix.compat import register_config_scope

ROOT = Path(__file__).resolve().parent.parent
RESNET = dict(backbone=dict(depth=18, stem_channels=8, base_channels=8), head=dict(in_channels=64))
DEIT = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        img_size=32,
        patch_size=4,
    ),
    neck=None,
    head=dict(_delete_=True, type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=16),
)
POOL: dict[str, Any] = dict(type='mmmix.HardPool', size=64, min_size=4)
HOOKS: dict[str, Any] = dict(custom_hooks=[dict(type='mmmix.HardSampleHook', warmup_epochs=0, scan_interval=0)])
PASTED = [
    dict(type='mmmix.KeepRandAugment'),
    dict(type='PackInputs', algorithm_keys=('clean_view',)),
]


def trained(augment: Any, model: dict | None = None, **config: Any) -> dict:
    """What a run changes in the quickstart without mixing."""
    return {'model': {'type': 'mmmix.MixClassifier', 'train_cfg': dict(augments=augment), **(model or {})}, **config}


#: Name of a run -> the quickstart config that it begins with, and what is changed in it.
RUNS: dict[str, tuple[str, dict]] = {
    'quickstart': ('resnet_digits', {}),
    'none': ('resnet_digits_none', {}),
    'sumix': ('resnet_digits_none', trained(dict(type='mmmix.CutMix'), dict(head=dict(type='mmmix.SUMixHead')))),
    'sumix-released': (
        'resnet_digits_none',
        trained(
            dict(type='mmmix.Mixup', lam_mode='elem', prob=0.7),
            dict(head=dict(type='mmmix.SUMixHead', distance='released')),
        ),
    ),
    'hardmix': ('resnet_digits_none', trained(dict(type='mmmix.HardMix', partners=POOL), **HOOKS)),
    'hardmix-salient': (
        'resnet_digits_none',
        trained(dict(type='mmmix.HardMix', guide=dict(type='mmmix.SpectralResidual'), partners=POOL), **HOOKS),
    ),
    'keepcutmix': ('resnet_digits_none', trained(dict(type='mmmix.KeepCutMix'))),
    'keepcutout-early': (
        'resnet_digits_none',
        trained(dict(type='mmmix.KeepCutout', guide=dict(type='mmmix.EarlyHead', scale=0.5))),
    ),
    'keeppaste': (
        'resnet_digits_none',
        trained(dict(type='mmmix.KeepPaste'), train_dataloader=dict(dataset=dict(pipeline=PASTED))),
    ),
    'manifoldmix': ('resnet_digits_none', trained(dict(type='mmmix.ManifoldMix'))),
    'alignmix': ('resnet_digits_none', trained(dict(type='mmmix.AlignMix'))),
    'puzzlemix': ('resnet_digits_none', trained(dict(type='mmmix.PuzzleMix', lam_mode='elem'))),
    'recursivemix': ('resnet_digits_none', trained(dict(type='mmmix.RecursiveMix'))),
    'snapmix': ('resnet_digits_none', trained(dict(type='mmmix.SnapMix'))),
    'lumix': ('resnet_digits_none', trained(dict(type='mmmix.Mixup', labels=dict(type='mmmix.LUMix')))),
    'foreign': ('resnet_digits_none', trained([dict(type='mmpretrain.CutMix', alpha=1.0), dict(type='mmmix.FMix')])),
    'transmix': ('resnet_digits_none', trained(dict(type='mmmix.CutMix', labels=dict(type='mmmix.TransMix')), DEIT)),
    'tlalign': ('resnet_digits_none', trained(dict(type='mmmix.CutMix', labels=dict(type='mmmix.TLAlign')), DEIT)),
    'mixpro': ('resnet_digits_none', trained(dict(type='mmmix.MixPro', mask_size=8), DEIT)),
    'smmix': ('resnet_digits_none', trained(dict(type='mmmix.SMMix', patch_size=4), DEIT)),
    'tokenmix': ('resnet_digits_none', trained(dict(type='mmmix.TokenMix', patch_size=4), DEIT)),
    'cutmix-at': ('resnet_digits_none', trained(dict(type='mmmix.CutMix', at=['', 'backbone.layers.0']), DEIT)),
}  # fmt: skip


def digest(*tensors: Tensor) -> str:
    """A few letters that stand for all bits of some tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f'{tuple(tensor.shape)} {tensor.dtype}'.encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def of_mixers() -> Iterator[tuple[str, str]]:
    """Every row of the table in every mode, in three kinds of batch, mixed three times each."""
    kinds: list[dict[str, Any]] = [dict(), dict(prob=0.6, dtype=torch.bfloat16), dict(layout=torch.channels_last)]
    for row, mode in CASES:
        for i, kind in enumerate(kinds):
            yield f'mixer {row} {mode} {i}', digest(*mixed(row, mode, **kind))


def mixed(row: Row, mode: str, prob: float | None = None, dtype: Any = torch.float32, layout: Any = None) -> list:
    """All that three mixes of a row tell."""
    torch.manual_seed(11)
    images, scores = torch.rand(8, 3, *row.image_size).to(dtype), torch.eye(8)
    images = images if layout is None else images.contiguous(memory_format=layout)
    mixer = row.build(lam_mode=mode, **({} if prob is None else dict(prob=prob)))
    told = []
    for _ in range(3):
        mix = mixer.mix(images, scores)
        told += [mix.images, mix.scores, mix.partner, mix.mask, mix.lam, mix.lam_partner]
    return told


def of_runs(steps: int = 10) -> Iterator[tuple[str, str]]:
    """The weights after a few steps of training, run by run."""
    for name, (base, changes) in RUNS.items():
        config = Config.fromfile(ROOT / 'configs' / 'quickstart' / f'{base}.py')
        config.merge_from_dict(deepcopy(changes))
        config.train_cfg = dict(by_epoch=False, max_iters=steps)
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
        config.test_cfg = config.test_dataloader = config.test_evaluator = None
        config.default_hooks.checkpoint = None
        config.log_level = 'ERROR'
        config.experiment_name = name
        with tempfile.TemporaryDirectory() as folder:
            config.work_dir = folder
            runner = Runner.from_cfg(config)
            runner.train()
        yield f'run {name}', digest(*runner.model.state_dict().values())


def main() -> None:
    """Print all of them."""
    os.environ.setdefault('LOCAL_RANK', '0')
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    register_config_scope()
    for found in (of_runs, of_mixers):
        for name, value in found():
            print(name, value, flush=True)


if __name__ == '__main__':
    main()
