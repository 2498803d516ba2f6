_base_ = '../_base_/recipes/deit-small_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.AutoMix',
            features='backbone.layers.5',
            momentum=(0.999, 0.99999),
            mask_decay=True,
        )
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
custom_hooks = [dict(type='mmmix.TeacherHook')]
