_base_ = '../_base_/recipes/resnext50_200e_cub.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.AdAutoMix', beta=0.1, momentum=(0.999, 0.99999))),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'learned.adautomix.block': dict(lr_mult=100.0)}))
custom_hooks = [dict(type='mmmix.TeacherHook')]
