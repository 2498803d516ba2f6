_base_ = 'wrn28-10_300e-keepautoaugment_cifar10.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.stages.0', in_channels=160, loss_weight=0.3))
    )
)
