_base_ = '../_base_/recipes/resnet_20e_turned-digits.py'

partners = dict(type='mmmix.NearLabels', bandwidth=0.1)
augments = dict(type='mmmix.Mixup', alpha=2.0, partners=partners)
model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments))
