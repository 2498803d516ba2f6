_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.ResizeMix', alpha=1.0, scope=(0.1, 0.8))))
