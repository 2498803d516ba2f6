_base_ = 'wrn28-8_400e-saliencymix_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.5, distance='released', scale=100.0),
)
