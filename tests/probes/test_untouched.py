"""Looking into a network leaves no trace, also where modules build things in ``train()`` or checkpoint activations."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from networks import RESNET
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmmix import InputGradient, MixClassifier, input_gradient
from mmmix.probes.untouched import untouched, without_checkpoints

HEAD = dict(type='mmpretrain.LinearClsHead', num_classes=5)
BUILDS_IN_TRAIN: dict[str, dict[str, Any]] = {
    'levit': dict(
        backbone=dict(type='mmpretrain.LeViT', arch='128s', img_size=64, patch_size=16, drop_path_rate=0),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(in_channels=384, **HEAD),
    ),
    'tinyvit': dict(
        backbone=dict(
            type='mmpretrain.TinyViT',
            arch=dict(channels=[16, 16, 24, 32], num_heads=[2, 2, 2, 2], depths=[1, 1, 1, 1]),
            window_size=[2, 2, 2, 2],
            img_size=(64, 64),
            drop_path_rate=0,
        ),
        head=dict(in_channels=32, **HEAD),
    ),
}


def snapshot(model: nn.Module) -> dict[str, Any]:
    """Everything that a module keeps, by name."""
    return {
        f'{name}:{key}': value
        for name, module in model.named_modules()
        for key, value in {**vars(module), **module._buffers}.items()
        if key not in ('_modules', '_parameters', '_buffers')
    }


def guided(network: dict[str, Any]) -> MixClassifier:
    augments = dict(type='mmmix.KeepCutout', length=4)
    return MODELS.build(deepcopy(dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments), **network)))


def samples(n: int = 2) -> list[DataSample]:
    return [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i) for i in range(n)]


@pytest.mark.parametrize('name', BUILDS_IN_TRAIN)
def test_modules_that_build_things_in_train(name: str) -> None:
    """A step, an evaluation, a step again: guides find what evaluation needs, and leave what training needs."""
    model = guided(BUILDS_IN_TRAIN[name])
    images = torch.rand(2, 3, 64, 64)
    model.train().loss(images, samples())
    model.eval()
    with torch.no_grad():
        expected = model(images, mode='tensor')
    model.train()
    before = snapshot(model)
    with untouched(model), torch.no_grad():
        torch.testing.assert_close(model.head(model.extract_feat(images)), expected)
    after = snapshot(model)
    assert before.keys() == after.keys() and all(before[key] is after[key] for key in before)
    losses = model.loss(images, samples())
    losses['loss'].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert snapshot(model).keys() == before.keys()


def test_flags_come_back_also_after_an_error() -> None:
    model = guided(RESNET).train()
    model.backbone.layer1.eval()
    flags = {name: module.training for name, module in model.named_modules()}

    def run() -> None:
        with untouched(model):
            assert not any(module.training for module in model.modules())
            raise RuntimeError('on the way')

    with pytest.raises(RuntimeError, match='on the way'):
        run()
    assert {name: module.training for name, module in model.named_modules()} == flags


def checkpointed(kind: str) -> MixClassifier:
    """The same network with activation checkpoints of a kind."""
    torch.manual_seed(0)
    network: dict[str, Any] = deepcopy(RESNET)
    if kind == 'with_cp':
        network['backbone']['with_cp'] = True
    model = guided(network)
    if kind == 'mmengine':
        turn_on_activation_checkpointing(model, ['backbone.layer1', 'backbone.layer3'])
    return model.train()


@pytest.mark.parametrize('kind', ['with_cp', 'mmengine'])
@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_gradients_go_round_activation_checkpoints(kind: str, scale: float) -> None:
    images, scores = torch.rand(2, 3, 32, 32), torch.eye(5)[:2]
    maps = []
    for each in ('none', kind):
        model = checkpointed(each)
        guide = InputGradient(scale=scale)
        guide.bind(model)
        maps.append(guide(images, scores))
        losses = model.loss(images.clone().requires_grad_(), samples())
        losses['loss'].backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in model.backbone.layer1.parameters())
    torch.testing.assert_close(maps[0], maps[1])


@pytest.mark.parametrize('kind', ['with_cp', 'mmengine'])
def test_gradients_of_a_clean_pass_in_train_mode_too(kind: str) -> None:
    network: dict[str, Any] = deepcopy({**RESNET, 'head': dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64)})
    network['head']['clean_pass'] = 'train'
    network['backbone']['with_cp'] = kind == 'with_cp'
    model = guided(network)
    if kind == 'mmengine':
        turn_on_activation_checkpointing(model, ['backbone.layer1'])
    losses = model.train().loss(torch.rand(4, 3, 32, 32), samples(4))
    sum(value for key, value in losses.items() if key.startswith('loss')).backward()
    assert model.backbone.conv1.weight.grad is not None


def test_checkpoints_are_what_they_were_afterwards() -> None:
    usual = torch.utils.checkpoint.CheckpointFunction
    with without_checkpoints():
        x = torch.rand(3, requires_grad=True)
        (gradient,) = torch.autograd.grad(checkpoint(torch.sin, x, use_reentrant=True).sum(), x)
        torch.testing.assert_close(gradient, x.cos())
    assert torch.utils.checkpoint.CheckpointFunction is usual
    x = torch.rand(3, requires_grad=True)
    found = checkpoint(torch.sin, x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError):
        torch.autograd.grad(found, x)
    net = nn.Linear(4, 3)
    assert input_gradient(nn.Sequential(nn.Flatten(), net), torch.rand(2, 1, 2, 2), None)[0].shape == (2, 1, 2, 2)
