_base_ = ['_base_/wrn28-10-dropout_cifar10.py', '../_base_/datasets/cifar10_bs128.py']

model = dict(train_cfg=dict(augments=dict(type='mmmix.Cutout', length=16)))
