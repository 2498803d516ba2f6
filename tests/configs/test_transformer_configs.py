"""Configs of transformers train as those whose figures stand beside them."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from test_configs import mixer_of

from mmmix.compat import register_config_scope

ROOT = Path(__file__).resolve().parents[2] / 'configs'
SIX = ('transmix', 'tokenmix', 'smmix', 'mixpro', 'tlalign', 'lumix')
register_config_scope()


@cache
def load(path: str) -> Config:
    return Config.fromfile(ROOT / path)


def pipeline(path: str) -> dict[str, Any]:
    """The steps of the training pipeline by type."""
    return {step.type: step for step in load(path).train_dataloader.dataset.pipeline}


def test_plain_mixers_follow_the_benchmark_and_sumix_its_own_repository() -> None:
    plain = [f'{d}/deit-small_200e-{d}_cifar100.py' for d in SIX]
    for mixer in ('cutmix', 'fmix', 'resizemix', 'saliencymix'):
        plain += [f'sumix/{name}_200e-{mixer}_cifar100.py' for name in ('deit-small', 'swin-tiny')]
        plain.append(f'sumix/swin-tiny_200e-{mixer}-sumix_cifar100.py')
        ours, theirs = (f'sumix/deit-small_200e-{mixer}{more}_cifar100.py' for more in ('-sumix', ''))
        steps = pipeline(ours)
        assert (steps['RandAugment'].magnitude_level, steps['RandomErasing'].erase_prob) == (9, 0.25)
        assert steps['RandAugment'].policies == pipeline(theirs)['RandAugment'].policies
        assert load(ours).model.train_cfg.augments == load(theirs).model.train_cfg.augments
    for path in plain:
        steps = pipeline(path)
        assert (steps['RandAugment'].magnitude_level, steps['RandAugment'].magnitude_std) == (7, 0.5)
        assert len(steps['RandAugment'].policies) == 14 and 'RandomErasing' not in steps


def test_the_operations_run_and_one_leaves_images_alone() -> None:
    init_default_scope('mmpretrain')
    image = np.random.RandomState(0).randint(0, 256, (32, 32, 3), dtype=np.uint8)
    changed = []
    for operation in pipeline('sumix/deit-small_200e-cutmix_cifar100.py')['RandAugment'].policies:
        step = {**operation, 'magnitude_level': 7.0, 'prob': operation.get('prob', 1.0)}
        if 'magnitude_range' not in operation:
            del step['magnitude_level']
        out = Compose([step])(dict(img=image.copy()))['img']
        changed.append(out.shape == image.shape and not np.array_equal(out, image))
    assert changed.count(False) <= 2 and changed[5] is False  # a full range of grey values needs no contrast


@pytest.mark.parametrize('name', SIX)
def test_imagenet_configs_train_as_their_authors(name: str) -> None:
    path = f'{name}/deit-small_300e-{name}_in1k.py'
    cfg, steps = load(path), pipeline(path)
    batch, warmup, decay, clip, erase, repeat = {
        'transmix': (256, 20, 0.03, None, None, False),
        'tokenmix': (1024, 5, 0.05, None, 0.25, False),
        'smmix': (1024, 5, 0.05, None, None, False),
        'mixpro': (1024, 20, 0.05, 5.0, 0.25, False),
        'tlalign': (1024, 5, 0.05, None, 0.25, True),
        'lumix': (1024, 5, 0.05, None, 0.25, True),
    }[name]
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch
    assert [scheduler.end for scheduler in cfg.param_scheduler] == [warmup, 300]
    assert cfg.param_scheduler[1].begin == warmup and cfg.train_cfg.max_epochs == 300
    assert (cfg.optim_wrapper.optimizer.lr, cfg.optim_wrapper.optimizer.weight_decay) == (1e-3, decay)
    assert cfg.optim_wrapper.get('clip_grad', {}).get('max_norm') == clip
    assert steps['RandAugment'].magnitude_level == 9
    assert (steps['RandomErasing'].erase_prob if 'RandomErasing' in steps else None) == erase
    assert (cfg.train_dataloader.sampler.type == 'RepeatAugSampler') == repeat
    assert cfg.model.backbone.arch == 'deit-small' and cfg.model.head.num_classes == 1000


def test_token_label_alignment_mixes_nothing_by_mixup() -> None:
    for path in ('deit-small_200e-tlalign_cifar100', 'deit-small_300e-tlalign_in1k'):
        mixer = mixer_of(load(f'tlalign/{path}.py'))
        assert mixer.type == 'mmmix.CutMix' and mixer.labels.type == 'mmmix.TLAlign'


@pytest.mark.parametrize('name', SIX)
def test_readme_and_metafile_agree(name: str) -> None:
    readme = (ROOT / name / 'README.md').read_text()
    models = yaml.safe_load((ROOT / name / 'metafile.yml').read_text())['Models']
    assert {model['Name'] for model in models} == {path.stem for path in (ROOT / name).glob('*.py')}
    for model in models:
        row = next(line for line in readme.splitlines() if f'({model["Name"]}.py)' in line)
        figures = [value for result in model.get('Results', []) for value in result['Metrics'].values()]
        assert f'| {f"{figures[0]:.2f} (paper)" if figures else "none"} |' in row
    for path in (ROOT / name).glob('*cifar100.py'):
        assert path.read_text() in readme, 'the README shows the config as it is'
