_base_ = 'resnet18_800e-resizemix_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.2, distance='released', scale=100.0),
)
