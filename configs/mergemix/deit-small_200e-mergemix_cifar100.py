_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=[
            dict(type='mmmix.MergeMix', patch_size=16, guide=dict(type='mmmix.MergedAttention', merged=0.5)),
            dict(type='mmmix.Mixup', alpha=0.8),
        ],
        probs=[0.8, 0.2],
    ),
)
