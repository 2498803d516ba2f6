# The strong baseline without erasing.
_base_ = [
    '../_base_/datasets/market1501_bs64.py',
    '../_base_/schedules/adam_bs64_120e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='mmmix.MixClassifier',
    backbone=dict(
        type='ResNet',
        depth=101,
        strides=(1, 2, 2, 1),  # the last stage keeps its resolution
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='mmmix.ReIDHead',
        num_classes=751,
        in_channels=2048,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
    ),
)
