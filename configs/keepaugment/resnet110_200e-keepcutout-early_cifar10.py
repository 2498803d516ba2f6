_base_ = '_base_/resnet110_cifar10.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.KeepCutout',
            length=16,
            tau=0.6,
            guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=16, loss_weight=0.3),
        )
    ),
)
