_base_ = 'resnext50_200e-saliencymix_cub.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.2, distance='released', scale=16.0),
)
