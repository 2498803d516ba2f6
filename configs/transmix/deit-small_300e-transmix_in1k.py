_base_ = '../_base_/recipes/deit-small-no-erasing_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=[
            dict(type='mmmix.CutMix', alpha=1.0, labels=dict(type='mmmix.TransMix')),
            dict(type='mmmix.Mixup', alpha=0.8),
        ],
        probs=[0.8, 0.2],
    ),
)

# 256 images a step, on 8 GPUs; a weaker decay, a longer warm-up, and the moving average is what counts.
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=256)
optim_wrapper = dict(optimizer=dict(weight_decay=0.03))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=True, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, begin=20, end=300, convert_to_iter_based=True),
]
custom_hooks = [dict(type='EMAHook', momentum=4e-5, priority='ABOVE_NORMAL')]
