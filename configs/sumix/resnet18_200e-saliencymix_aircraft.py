_base_ = '../_base_/recipes/resnet18_200e_aircraft.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.SaliencyMix', alpha=0.2)))
