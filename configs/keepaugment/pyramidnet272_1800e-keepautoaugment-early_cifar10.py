_base_ = 'pyramidnet272_1800e-keepautoaugment_cifar10.py'

model = dict(
    train_cfg=dict(
        augments=dict(guide=dict(type='mmmix.EarlyHead', at='backbone.stages.0', in_channels=328, loss_weight=0.3))
    )
)
