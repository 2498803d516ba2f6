_base_ = 'resnet110_300e-keepcutout_cifar10.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=16, loss_weight=0.3))
    )
)
