_base_ = [
    'mmpretrain::_base_/models/resnet18_cifar.py',
    '../datasets/cifar100_bs128.py',
    '../schedules/cifar_bs128_200e.py',
    '../default_runtime.py',
]

model = dict(head=dict(num_classes=100))
