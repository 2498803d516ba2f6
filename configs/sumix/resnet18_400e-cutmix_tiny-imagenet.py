_base_ = '../_base_/recipes/resnet18_400e_tiny-imagenet.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=0.2)))
