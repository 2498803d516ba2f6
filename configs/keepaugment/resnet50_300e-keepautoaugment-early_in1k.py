_base_ = 'resnet50_300e-keepautoaugment_in1k.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.layer1', in_channels=256, loss_weight=0.3))
    )
)
