_base_ = 'preact18_200e_cifar10-noise20.py'

model = dict(
    backbone=dict(drop_rate=0.1),
    train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=4.0)),
)
