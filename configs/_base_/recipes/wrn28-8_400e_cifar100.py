_base_ = [
    '../models/wrn28_8_cifar100.py',
    '../datasets/cifar100_bs100.py',
    '../schedules/sgd_bs100_400e.py',
    '../default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.03, weight_decay=1e-3))
