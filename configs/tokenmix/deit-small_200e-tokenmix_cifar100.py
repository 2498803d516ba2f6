_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=[dict(type='mmmix.TokenMix', patch_size=16), dict(type='mmmix.Mixup', alpha=0.8)],
        probs=[0.5, 0.5],
    ),
)
