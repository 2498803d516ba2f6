# Cutout's code trains this network with dropout.
_base_ = 'wrn28-10_cifar10.py'

model = dict(backbone=dict(drop_rate=0.3))
