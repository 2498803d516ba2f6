_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs32.py',
    '../schedules/sgd_bs256_300e.py',
    '../default_runtime.py',
]
