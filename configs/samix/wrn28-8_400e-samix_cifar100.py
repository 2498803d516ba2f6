_base_ = '../_base_/recipes/wrn28-8_400e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.SAMix', features='backbone.stages.1'))
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
