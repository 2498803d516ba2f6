_base_ = [
    '../models/swin_tiny_cifar100.py',
    '../datasets/cifar100_bs100_224.py',
    '../schedules/adamw_bs100_200e.py',
    '../default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=5e-4))
