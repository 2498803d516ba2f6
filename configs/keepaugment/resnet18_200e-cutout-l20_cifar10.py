_base_ = 'resnet18_200e-cutout_cifar10.py'

model = dict(train_cfg=dict(augments=dict(length=20)))
