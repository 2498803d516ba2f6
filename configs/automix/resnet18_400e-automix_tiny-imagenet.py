_base_ = '../_base_/recipes/resnet18_400e_tiny-imagenet.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.AutoMix')))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'learned.automix.block': dict(lr_mult=0.5)}))
param_scheduler = dict(eta_min=0.05)
custom_hooks = [dict(type='mmmix.TeacherHook')]
