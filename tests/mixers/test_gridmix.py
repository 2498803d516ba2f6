"""GridMix's second loss: the label of every cell, from the features over it."""

import math
from typing import Any

import pytest
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample

from mmmix import GridMix, Mix, MixClassifier

NETWORK = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=32),
)


def build(augments: Any, probs: Any = None) -> Any:
    torch.manual_seed(0)
    cfg = dict(augments=augments) if probs is None else dict(augments=augments, probs=probs)
    return MixClassifier(**NETWORK, train_cfg=cfg).train()


def data() -> tuple[torch.Tensor, list[DataSample]]:
    torch.manual_seed(1)
    return torch.rand(6, 3, 32, 32), [DataSample().set_gt_label(i % 5) for i in range(6)]


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_the_loss_is_that_of_a_slow_loop_over_cells(mode: str) -> None:
    model = build(dict(type='mmmix.GridMix', grid=2, local=0.3, lam_mode=mode))
    images, samples = data()
    told: list[Mix] = []
    heard: list[torch.Tensor] = []
    model.on_mix = told.append
    model.backbone.register_forward_hook(lambda module, args, out: heard.append(out[-1].detach()))
    losses = model.loss(images, samples)
    (mix,), maps, layer = told, heard[-1], model.learned['gridmix']
    assert maps.shape[2:] == (4, 4)
    total = 0.0
    for i in range(6):
        for y in range(2):
            for x in range(2):
                mean = maps[i, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean((1, 2))
                prob = (layer.weight @ mean + layer.bias).detach().softmax(0)
                mine = bool(mix.mask[i, 0, 16 * y + 3, 16 * x + 3] == 1)
                label = (i if mine else int(mix.partner[i])) % 5
                total -= math.log(float(prob[label])) / 24
    assert float(losses['loss_local'].detach()) == pytest.approx(0.3 * total, rel=1e-4)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert bool(layer.weight.grad.abs().sum() > 0)
    assert 'learned.gridmix.weight' in model.state_dict()


def test_without_it_nothing_is_learned() -> None:
    model = build(dict(type='mmmix.GridMix'))
    other = build(dict(type='mmmix.GridMix', local=0.1))
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), 'the network begins as it would without the layer'
    assert 'loss_local' not in model.loss(*data()) and not any('learned' in name for name in model.state_dict())


def test_where_another_mixer_mixes_the_loss_is_0_and_in_the_graph() -> None:
    model = build([dict(type='mmmix.GridMix', local=0.1), dict(type='mmmix.Mixup')], [0.0, 1.0])
    losses = model.loss(*data())
    assert float(losses['loss_local']) == 0
    losses['loss_local'].backward()
    assert model.learned['gridmix'].weight.grad is not None


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match=r"GridMix: 'neck' gives no feature map .* use local=0"):
        build(dict(type='mmmix.GridMix', local=0.1, features='neck'))
    with pytest.raises(ValueError, match='GridMix: `local` must be a number of at least 0'):
        GridMix(local=-1)
    stock = ImageClassifier(**NETWORK)
    with pytest.raises(TypeError, match='ImageClassifier does not train `local`'):
        GridMix(local=0.1).bind(stock)
    with pytest.raises(RuntimeError, match=r"use type='mmmix\.MixClassifier'"):
        GridMix(local=0.1)(torch.rand(2, 3, 8, 8), torch.eye(2))
