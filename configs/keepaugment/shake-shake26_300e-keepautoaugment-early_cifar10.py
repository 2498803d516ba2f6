_base_ = 'shake-shake26_300e-keepautoaugment_cifar10.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.stages.0', in_channels=96, loss_weight=0.3))
    )
)
