_base_ = 'resnet18_200e-saliencymix_cub.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.5, distance='released', scale=16.0),
)
