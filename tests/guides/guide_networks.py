"""Small networks that guides look at."""

from mmpretrain.structures import DataSample

from mmmix import (
    MixClassifier,
)

VIT = dict(
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=32),
        img_size=32,
        patch_size=8,
    ),
    head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=24),
)
SWIN = dict(
    backbone=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=16, depths=[2, 2], num_heads=[2, 4]),
        img_size=32,
        patch_size=2,
        window_size=4,
        out_indices=(1,),
    ),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32),
)
RESNET = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=64),
)


def samples(n: int) -> list[DataSample]:
    return [DataSample().set_gt_label(i % 10) for i in range(n)]


def mix_classifier(parts: dict, guide: dict) -> MixClassifier:
    return MixClassifier(**parts, train_cfg=dict(augments=dict(type='mmmix.KeepCutout', length=8, guide=guide)))
