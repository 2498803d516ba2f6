_base_ = '../_base_/recipes/swin-tiny_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.AdAutoMix',
            fewer=True,
            features='backbone.stages.2',
            lam_margin=0.0,
            upsample='nearest',
            momentum=(0.999, 0.99996),
        )
    ),
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
