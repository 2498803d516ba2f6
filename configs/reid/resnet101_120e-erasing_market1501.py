_base_ = 'resnet101_120e-none_market1501.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.RandomErasing', prob=0.5, scale=(0.02, 0.4), fill='random')))
