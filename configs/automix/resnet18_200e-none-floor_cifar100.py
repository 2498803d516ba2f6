# A control of AutoMix: its schedule.
_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

param_scheduler = dict(eta_min=0.05)
