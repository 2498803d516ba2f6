_base_ = '../_base_/recipes/resnext50_400e_tiny-imagenet.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.SaliencyMix', alpha=0.2)))
