_base_ = '../_base_/recipes/resnet18_400e_tiny-imagenet.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.AdAutoMix', beta=0.4)))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'learned.adautomix.block': dict(lr_mult=0.5)}))
custom_hooks = [dict(type='mmmix.TeacherHook')]
