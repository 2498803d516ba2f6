# What HardMix is compared with: the same boxes from random partners.
_base_ = '../_base_/recipes/resnet18_200e_cifar10.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)))
