_base_ = '../_base_/recipes/resnext50_400e_tiny-imagenet.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.FMix', alpha=0.2)))
