# A control of AutoMix: its schedule.
_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=1.0)))
param_scheduler = dict(eta_min=0.05)
