_base_ = ['_base_/shake-shake26_cifar10.py', '_base_/autoaugment_cifar10.py']
