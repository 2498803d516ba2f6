_base_ = '_base_/resnet101_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=dict(
            type='mmmix.KeepCutMix',
            alpha=1.0,
            tau=0.6,
            guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=256, loss_weight=0.3),
        )
    ),
)
