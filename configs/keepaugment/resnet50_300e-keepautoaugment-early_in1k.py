_base_ = '_base_/resnet50_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.KeepPaste',
            length=40,
            tau=0.6,
            guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=256, loss_weight=0.3),
        )
    ),
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmmix.KeepAutoAugment', policies='imagenet'),
    dict(type='PackInputs', algorithm_keys=('clean_view',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
