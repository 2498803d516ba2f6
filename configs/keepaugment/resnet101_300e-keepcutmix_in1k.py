_base_ = ['_base_/resnet101_in1k.py', '../_base_/datasets/imagenet_bs32_jitter.py']

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepCutMix', alpha=1.0, tau=0.6)))
