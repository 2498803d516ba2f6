_base_ = '../_base_/recipes/resnet18_200e_aircraft.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.SAMix',
            curve=1.0,
            dropout=0.1,
            momentum=(0.999, 0.99996),
            mask_decay=True,
        )
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'learned.samix.block': dict(lr_mult=10.0)}))
custom_hooks = [dict(type='mmmix.TeacherHook')]
