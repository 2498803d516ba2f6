_base_ = 'preact18_200e_cifar10-noise20.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=8.0)))
