_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=[dict(type='mmmix.CutMix', alpha=1.0, labels=dict(type='mmmix.TLAlign'))]),
)
