_base_ = '_base_/wrn28-10_cifar10.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.KeepPaste',
            length=16,
            tau=0.6,
            guide=dict(type='mmmix.InputGradient', scale=0.5),
        )
    ),
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmmix.KeepAutoAugment', policies='cifar10'),
    dict(type='PackInputs', algorithm_keys=('clean_view',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
