_base_ = [
    '../models/resnext50_cifar100.py',
    '../datasets/tiny_imagenet_bs100.py',
    '../schedules/sgd_bs100_400e.py',
    '../default_runtime.py',
]

model = dict(head=dict(num_classes=200))

optim_wrapper = dict(optimizer=dict(lr=0.2))
