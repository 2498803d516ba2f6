_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    '../datasets/imagenet_bs32_jitter.py',
    '../schedules/sgd_bs256_300e.py',
    '../default_runtime.py',
]
