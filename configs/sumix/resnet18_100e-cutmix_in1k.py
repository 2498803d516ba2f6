_base_ = '../_base_/recipes/resnet18_100e_in1k.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=0.2)))
