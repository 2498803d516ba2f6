_base_ = 'resnext50_100e-fmix_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.5, distance='released', scale=64.0, raw_uncertainty=True),
)
