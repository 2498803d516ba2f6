# The student evaluated, where the other config has the teacher.
_base_ = 'resnet18_200e-automix_cifar100.py'

custom_hooks = []
