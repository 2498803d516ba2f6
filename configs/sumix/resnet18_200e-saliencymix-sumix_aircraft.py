_base_ = 'resnet18_200e-saliencymix_aircraft.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=1.0, distance='released', scale=16.0),
)
