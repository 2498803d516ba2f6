_base_ = 'resnext50_800e-saliencymix_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=1.0, distance='released', scale=100.0),
)
