# OpenMixup's CIFAR-100 protocol: batch 100, pad-4 crop and flip, SGD with a cosine down to 0, 200 epochs.
_base_ = [
    '../models/resnet18_cifar100.py',
    '../datasets/cifar100_bs100.py',
    '../schedules/sgd_bs100_200e.py',
    '../default_runtime.py',
]
