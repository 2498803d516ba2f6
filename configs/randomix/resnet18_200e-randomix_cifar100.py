_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

augments = [
    dict(type='mmmix.Mixup', alpha=1.0),
    dict(type='mmmix.CutMix', alpha=1.0),
    dict(type='mmmix.FMix', alpha=1.0),
    dict(type='mmmix.ResizeMix'),
]
model = dict(train_cfg=dict(augments=augments, probs=[0.25, 0.25, 0.25, 0.25]))
