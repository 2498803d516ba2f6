_base_ = '../_base_/recipes/swin-tiny_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.SAMix', features='backbone.stages.2'))
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
