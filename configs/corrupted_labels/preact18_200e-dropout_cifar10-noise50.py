_base_ = 'preact18_200e_cifar10-noise50.py'

model = dict(backbone=dict(drop_rate=0.8))
