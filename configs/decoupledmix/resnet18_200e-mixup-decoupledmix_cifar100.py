_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(
    head=dict(loss=dict(_delete_=True, type='mmmix.DecoupledMixLoss', eta=0.1)),
    train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=1.0)),
)
