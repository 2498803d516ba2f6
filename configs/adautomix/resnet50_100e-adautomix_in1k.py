_base_ = '../_base_/recipes/resnet50_100e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.AdAutoMix', n_images=2, beta=0.1, momentum=(0.999, 0.99999))),
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
