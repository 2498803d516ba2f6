_base_ = '../_base_/recipes/resnet_20e_turned-digits.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=2.0)))
