_base_ = [
    '../models/wrn28_10_cifar.py',
    '../datasets/cifar10_bs128.py',
    '../schedules/cifar_bs128_200e.py',
    '../default_runtime.py',
]
