_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.GridHoles', alpha=0.2)))
