_base_ = '../_base_/recipes/deit-small_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    backbone=dict(patch_size=14),
    train_cfg=dict(
        # Cells of 4 x 4 patches.
        augments=[
            dict(type='mmmix.MixPro', mask_size=56),
            dict(type='mmmix.Mixup', alpha=0.8),
            dict(type='mmmix.CutMix', alpha=1.0),
        ],
        probs=[0.5, 0.25, 0.25],
    ),
)

# Swin's schedule: a longer warm-up, and gradients are clipped.
optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, begin=20, end=300, convert_to_iter_based=True),
]
