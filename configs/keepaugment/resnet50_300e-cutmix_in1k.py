_base_ = ['_base_/resnet50_in1k.py', '../_base_/datasets/imagenet_bs32_jitter.py']

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=1.0)))
