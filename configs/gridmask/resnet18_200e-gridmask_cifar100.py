_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(
    train_cfg=dict(augments=dict(type='mmmix.GridMask', d_range=(14, 32), ratio=0.6, prob=0.8, ramp_epochs=160))
)
