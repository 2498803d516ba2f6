_base_ = [
    '../models/deit_small_cifar100.py',
    '../datasets/cifar100_bs100_224_erasing.py',
    '../schedules/adamw_bs100_200e.py',
    '../default_runtime.py',
]
