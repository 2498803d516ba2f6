_base_ = '../_base_/recipes/resnext50_200e_aircraft.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=0.2)))
