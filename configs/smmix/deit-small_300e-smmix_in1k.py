_base_ = '../_base_/recipes/deit-small-no-erasing_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=[dict(type='mmmix.SMMix', patch_size=16), dict(type='mmmix.Mixup', alpha=0.8)],
        probs=[0.5, 0.5],
    ),
)
