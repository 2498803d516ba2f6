_base_ = '../_base_/recipes/resnext50_100e_in1k.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.FMix', alpha=0.2)))
