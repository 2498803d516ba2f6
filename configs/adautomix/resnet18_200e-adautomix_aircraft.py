_base_ = '../_base_/recipes/resnet18_200e_aircraft.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.AdAutoMix', fewer=True, lam_margin=0.0, momentum=(0.999, 0.99999))),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'learned.adautomix.block': dict(lr_mult=100.0)}))
param_scheduler = dict(eta_min=0.0005)
custom_hooks = [dict(type='mmmix.TeacherHook')]
