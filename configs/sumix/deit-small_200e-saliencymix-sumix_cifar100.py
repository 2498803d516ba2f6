_base_ = 'deit-small_200e-saliencymix_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixVisionTransformerClsHead', gamma=0.5, distance='released', scale=100.0),
)
