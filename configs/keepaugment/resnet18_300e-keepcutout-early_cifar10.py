_base_ = 'resnet18_300e-keepcutout_cifar10.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=64, loss_weight=0.3))
    )
)
