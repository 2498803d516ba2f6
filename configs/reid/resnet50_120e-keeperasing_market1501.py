_base_ = 'resnet50_120e-none_market1501.py'

# Erasing spares what speaks for the person; its gradient is taken at half the resolution, as the paper does here.
model = dict(
    train_cfg=dict(
        augments=dict(
            type='mmmix.KeepRandomErasing',
            prob=0.5,
            scale=(0.02, 0.4),
            fill='random',
            tau=0.6,
            guide=dict(type='mmmix.InputGradient', scale=0.5),
        )
    )
)
