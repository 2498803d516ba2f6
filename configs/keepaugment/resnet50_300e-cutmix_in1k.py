_base_ = ['_base_/resnet50_in1k.py', 'mmpretrain::_base_/datasets/imagenet_bs32.py']

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=1.0)))
