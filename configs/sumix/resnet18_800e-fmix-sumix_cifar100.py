_base_ = 'resnet18_800e-fmix_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=1.0, distance='released', scale=100.0),
)
