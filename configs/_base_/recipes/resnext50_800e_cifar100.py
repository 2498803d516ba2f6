_base_ = [
    '../models/resnext50_cifar100.py',
    '../datasets/cifar100_bs100.py',
    '../schedules/sgd_bs100_800e.py',
    '../default_runtime.py',
]
