_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmmix.PixMix', k=4, beta=3, severity=3, cache='data/fractals'),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
