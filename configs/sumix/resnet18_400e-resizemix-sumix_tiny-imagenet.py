_base_ = 'resnet18_400e-resizemix_tiny-imagenet.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=1.0, distance='released', scale=100.0),
)
