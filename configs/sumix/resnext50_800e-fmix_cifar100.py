_base_ = '../_base_/recipes/resnext50_800e_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.FMix', alpha=0.2)))
