_base_ = 'preact18_200e_cifar10-noise50.py'

model = dict(
    backbone=dict(drop_rate=0.3),
    train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=8.0)),
)
