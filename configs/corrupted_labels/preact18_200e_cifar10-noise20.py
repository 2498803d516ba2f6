# A fifth of CIFAR-10's training labels is drawn anew; the test labels are the true ones.
_base_ = [
    '../_base_/datasets/cifar10_bs128.py',
    '../_base_/schedules/cifar_bs128_200e_100-150.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.PreActResNet_CIFAR'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=512, loss=dict(type='CrossEntropyLoss')),
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmmix.CorruptedLabels',
        fraction=0.2,
        dataset=dict(type='CIFAR10', data_root='data/cifar10', split='train', pipeline=train_pipeline),
    )
)
