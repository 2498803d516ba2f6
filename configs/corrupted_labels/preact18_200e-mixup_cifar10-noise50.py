_base_ = 'preact18_200e_cifar10-noise50.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=32.0)))
