"""Every mixer x partners x keep x depth x head builds and steps on a tiny network, or says in one line why not."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from table import TABLE, Row
from torch import Tensor, nn

import mmmix
from mmmix.core import RatiolessMixer
from mmmix.registry import MODELS


@MODELS.register_module()
class TwoStages(BaseModule):
    """A backbone of two convolutions: what is under test is what is around it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(4, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Maps of half the size."""
        return (self.layer2(self.layer1(images)),)


CNN = dict(backbone=dict(type='mmmix.TwoStages'), neck=dict(type='mmpretrain.GlobalAveragePooling'))
VIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=8, num_layers=1, num_heads=2, feedforward_channels=8),
        img_size=16,
        patch_size=4,
    ),
)
HEADS = {
    'cnn': (dict(type='mmpretrain.LinearClsHead'), dict(type='mmmix.SUMixHead'), 8),
    'vit': (
        dict(type='mmpretrain.VisionTransformerClsHead'),
        dict(type='mmmix.SUMixVisionTransformerClsHead'),
        8,
    ),
}
#: Rows whose arguments speak of the network that the laws are tested with.
ARGS: dict[str, dict[str, Any]] = {
    'SnapMix': {},
    'ManifoldMix': dict(at=['', 'backbone.layer1']),
    'SMMix': dict(patch_size=4),
    'AutoMix': dict(features='backbone'),
    'SAMix': dict(features='backbone'),
    'MixPro': dict(mask_size=8),
    'MixStyle': dict(at=['backbone.layer1', 'backbone.layer2']),
    'MoEx': dict(at=['backbone.layer1']),
}
#: Mixers that read attention.
ON_VIT = {'SMMix', 'MixPro'}
PARTNERS = {
    'default': None,
    'permutation': dict(type='mmmix.Permutation'),
    'hard': dict(type='mmmix.HardPool', size=8, min_size=1, prob=0.5),
    'history': dict(type='mmmix.History'),
}
KEEP = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'))


class AllHard:
    """A hard-sample memory in which every sample is hard."""

    active = True

    def is_hard(self, sample_idx: Any) -> Tensor:
        """All that there are."""
        return torch.as_tensor(sample_idx) >= 0


def build(augments: Any, kind: str = 'cnn', sumix: bool = False) -> Any:
    """A tiny classifier."""
    plain, learned, width = HEADS[kind]
    head = dict(learned if sumix else plain, num_classes=4, in_channels=width)
    cfg = dict(deepcopy(VIT if kind == 'vit' else CNN), head=head, train_cfg=dict(augments=deepcopy(augments)))
    model = mmmix.MixClassifier(**cfg)
    model.hard_table = AllHard()
    return model


def step(model: Any, steps: int = 2) -> None:
    """Two steps: in the second one partners remember the first."""
    samples = [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % 4) for i in range(4)]
    for sample in samples:
        sample.set_field(torch.rand(3, 16, 16), 'clean_view')
    for _ in range(steps):
        losses = model.loss(torch.rand(4, 3, 16, 16), samples)
        total = sum(value for name, value in losses.items() if 'loss' in name)
        assert bool(torch.isfinite(total)), losses
        total.backward()
        # SnapMix gives both shares to each of two images of one class.
        assert 0 <= float(losses['lam']) <= 2
        assert 0 <= float(losses['mix_acc']) <= 100 + 1e-3


def arguments(row: Row) -> dict[str, Any]:
    return {'type': f'mmmix.{row.name}', **ARGS.get(row.name, row.args)}


def takes(row: Row, name: str) -> bool:
    """Whether the mixer has such an argument at all."""
    try:
        row.build(**{name: None})
    except TypeError:
        return False
    return True


ROWS = pytest.mark.parametrize('row', TABLE, ids=str)


@ROWS
@pytest.mark.parametrize('sumix', [False, True], ids=['plain', 'sumix'])
@pytest.mark.parametrize('partners', PARTNERS)
def test_partners_and_heads(row: Row, partners: str, sumix: bool) -> None:
    kind = 'vit' if row.name in ON_VIT else 'cnn'
    args = arguments(row)
    if partners != 'default':
        args['partners'] = PARTNERS[partners]
        if not takes(row, 'partners'):
            with pytest.raises(TypeError) as caught:
                build(args, kind, sumix)
            assert 'does not take `partners`' in str(caught.value) and '\n' not in str(caught.value)
            return
        if partners == 'history' and any(row.build().at):
            with pytest.raises(ValueError) as error:
                build(args, kind, sumix)
            assert 'images of the last step' in str(error.value) and '\n' not in str(error.value)
            return
    step(build(args, kind, sumix))


@ROWS
@pytest.mark.parametrize('sumix', [False, True], ids=['plain', 'sumix'])
def test_keeps(row: Row, sumix: bool) -> None:
    args = {**arguments(row), 'keep': KEEP}
    if takes(row, 'keep') and row.tag != 'guide':
        step(build(args, 'cnn', sumix))
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        build(args, 'vit' if row.name in ON_VIT else 'cnn', sumix)
    words = str(caught.value)
    assert any(word in words for word in ('does not take `keep`', 'both place')) and '\n' not in words


@ROWS
@pytest.mark.parametrize('sumix', [False, True], ids=['plain', 'sumix'])
def test_depths(row: Row, sumix: bool) -> None:
    kind = 'vit' if row.name in ON_VIT else 'cnn'
    args = {**arguments(row), 'at': 'backbone.layers.0' if kind == 'vit' else 'backbone.layer2'}
    if not takes(row, 'at') or row.name in ('MixPro', 'RecursiveMix'):
        with pytest.raises((TypeError, ValueError)) as caught:
            build(args, kind, sumix)
        assert '\n' not in str(caught.value)
        return
    step(build(args, kind, sumix), steps=1)


@pytest.mark.parametrize('sumix', [False, True], ids=['plain', 'sumix'])
@pytest.mark.parametrize('partners', ['permutation', 'hard'])
@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_all_at_once(sumix: bool, partners: str, mode: str) -> None:
    """Hard partners, a cut that spares what matters, inside the network, with noisy labels."""
    args = dict(type='mmmix.CutMix', keep=KEEP, partners=PARTNERS[partners], labels=dict(type='mmmix.LUMix'))
    step(build({**args, 'at': ['', 'backbone.layer1', 'backbone.layer2'], 'lam_mode': mode}, 'cnn', sumix), steps=6)
    tokens = dict(args, keep=None, labels=dict(type='mmmix.TransMix'), lam_mode=mode)
    step(build(tokens, 'vit', sumix), steps=3)


@ROWS
@pytest.mark.parametrize('policy', ['Area', 'TransMix', 'ProgressiveAttention', 'TLAlign', 'LUMix', 'DrawnShare'])
def test_policies(row: Row, policy: str) -> None:
    """On a vision transformer, in one step each."""
    args = {**arguments(row), 'labels': dict(type=f'mmmix.{policy}')}
    if row.name in ('ManifoldMix', 'AlignMix', 'MoEx'):
        args['at'] = ['', 'backbone.layers.0']
    if 'features' in args:
        args['features'] = 'backbone.layers.0'
    if row.name == 'SnapMix':
        args['guide'] = dict(type='mmmix.Attention')
    if not takes(row, 'labels'):
        with pytest.raises(TypeError) as caught:
            build(args, 'vit')
        assert 'does not take `labels`' in str(caught.value) and '\n' not in str(caught.value)
    elif any(args.get('at', ())) and policy in ('TransMix', 'ProgressiveAttention', 'TLAlign'):
        with pytest.raises(ValueError) as error:
            build(args, 'vit')
        assert 'looks at the mixed images' in str(error.value) and '\n' not in str(error.value)
    elif not row.pair_label and policy != 'Area':
        with pytest.raises(ValueError, match='shares a label out between two images') as error:
            build(args, 'vit')
        assert '\n' not in str(error.value)
    elif policy == 'DrawnShare' and isinstance(row.build(), RatiolessMixer):
        with pytest.raises(ValueError, match='this mixer draws none'):
            step(build(args, 'vit'), steps=1)
    else:
        step(build(args, 'vit'), steps=1)


@pytest.mark.parametrize(
    ('augments', 'kind', 'sumix', 'words'),
    [
        (
            dict(type='mmmix.CutMix', labels=dict(type='mmmix.TransMix')),
            'cnn',
            False,
            'is not known here: use a VisionTransformer',
        ),
        (
            dict(type='mmmix.CutMix', labels=dict(type='mmmix.TLAlign')),
            'cnn',
            True,
            'is not known of TwoStages: use a VisionTransformer',
        ),
        (dict(type='mmmix.TokenMix'), 'cnn', False, 'is not known here: use a VisionTransformer'),
        (dict(type='mmmix.SMMix'), 'cnn', False, "no 'ln1'"),
        (dict(type='mmmix.CutMix', labels=dict(type='mmmix.Permutation')), 'cnn', False, '`labels` takes a Labels'),
        (dict(type='mmmix.CutMix', partners=dict(type='mmmix.Area')), 'cnn', False, '`partners` takes a Partners'),
        (dict(type='mmmix.Mixup', labels=dict(type='mmmix.LUMix', r_s=0.6, r_n=0.6)), 'cnn', False, 'more than 1'),
        (dict(type='mmpretrain.Mixup', alpha=0.8), 'cnn', True, "use 'mmmix.Mixup'"),
        (dict(type='mmmix.Mixup', at='backbone.layer7'), 'cnn', False, "no 'layer7'"),
    ],
)
def test_what_cannot_be_is_said_when_it_is_built(augments: dict, kind: str, sumix: bool, words: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        build(augments, kind, sumix)
    assert words in str(caught.value) and '\n' not in str(caught.value)
