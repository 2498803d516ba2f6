_base_ = 'resnet18_200e-cutmix_cub.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=1.0, distance='released', scale=16.0),
)
