# AutoAugment alone: the transform sends a clean view along, but nobody asks for it. Its authors put Cutout behind their
# CIFAR policies.
_base_ = '../../_base_/datasets/cifar10_bs128.py'

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='mmmix.KeepAutoAugment',
        policies='cifar10',
        then=[dict(type='mmpretrain.Cutout', shape=16, pad_val=(125, 123, 114), prob=1.0)],
    ),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
