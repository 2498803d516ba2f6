_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.AdAutoMix',
            features='backbone.layers.5',
            upsample='nearest',
            momentum=(0.999, 0.99996),
        )
    ),
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
