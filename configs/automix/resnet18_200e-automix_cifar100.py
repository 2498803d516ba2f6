_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.AutoMix')]))
param_scheduler = dict(eta_min=0.05)
custom_hooks = [dict(type='mmmix.TeacherHook')]
