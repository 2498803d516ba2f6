# An average of the networks evaluated, whose momentum is that of AutoMix's teacher in the first tenth.
_base_ = 'resnet18_200e-cutmix-floor_cifar100.py'

custom_hooks = [dict(type='EMAHook', momentum=0.001)]
