_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs64.py',
    '../schedules/sgd_bs256_100e.py',
    '../default_runtime.py',
]
