_base_ = ['_base_/wrn28-10_cifar10.py', '_base_/autoaugment_cifar10.py']
