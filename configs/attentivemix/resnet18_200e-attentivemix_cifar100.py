_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(
    train_cfg=dict(
        augments=dict(
            type='mmmix.AttentiveMix',
            alpha=2.0,
            grid=8,
            guide=dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k', size=256),
        )
    )
)
