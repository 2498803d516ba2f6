_base_ = 'resnext50_200e-resizemix_aircraft.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.5, distance='released', scale=16.0),
)
