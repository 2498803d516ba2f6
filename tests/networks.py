"""Small networks of each kind under MixClassifier, and batches for them."""

from copy import deepcopy
from typing import Any

import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

GUIDED = dict(
    type='mmmix.CutMix', alpha=1.0, keep=dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'))
)
RESNET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=64),
)
SUMIX = {**RESNET, 'head': dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64)}
DEIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        img_size=32,
        patch_size=8,
    ),
    head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=5, in_channels=16),
)
SWIN = dict(
    backbone=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]),
        img_size=64,
        patch_size=2,
        window_size=4,
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=64),
)


def classifier(network: dict = RESNET, augments: dict | list | None = GUIDED, **cfg):
    train_cfg = None if augments is None else dict(augments=augments)
    return MODELS.build(deepcopy(dict(type='mmmix.MixClassifier', train_cfg=train_cfg, **network, **cfg)))


def data(n: int = 6, size: int = 32, labels: int = 5) -> dict:
    samples = [DataSample(metainfo=dict(sample_idx=i)).set_gt_label(i % labels) for i in range(n)]
    return dict(inputs=list(torch.rand(n, 3, size, size)), data_samples=samples)


def count_passes(model) -> list[int]:
    passes: list[int] = []
    model.backbone.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    return passes


def hooks_in(model: Any) -> int:
    """How many hooks listen to the backbone."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.backbone.modules())
