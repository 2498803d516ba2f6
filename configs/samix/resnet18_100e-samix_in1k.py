_base_ = '../_base_/recipes/resnet18_100e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.SAMix',
            curve=None,
            dropout=0.1,
            momentum=(0.999, 0.99999),
            mask_decay=True,
        )
    ),
)
custom_hooks = [dict(type='mmmix.TeacherHook')]
