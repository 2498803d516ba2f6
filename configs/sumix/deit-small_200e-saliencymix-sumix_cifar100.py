_base_ = '../_base_/recipes/deit-small-erasing_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixVisionTransformerClsHead', gamma=0.5, distance='released', scale=100.0),
    train_cfg=dict(augments=dict(type='mmmix.SaliencyMix', alpha=0.2)),
)
