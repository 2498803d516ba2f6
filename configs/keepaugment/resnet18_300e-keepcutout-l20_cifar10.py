_base_ = 'resnet18_300e-keepcutout_cifar10.py'

model = dict(train_cfg=dict(augments=dict(length=20)))
