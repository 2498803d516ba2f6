_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        # Cells are multiples of the 16 pixels of a patch.
        augments=[
            dict(type='mmmix.MixPro', mask_size=64),
            dict(type='mmmix.Mixup', alpha=0.8),
            dict(type='mmmix.CutMix', alpha=1.0),
        ],
        probs=[0.5, 0.25, 0.25],
    ),
)
