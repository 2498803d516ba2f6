_base_ = '../_base_/recipes/deit-small_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    # The authors ask of each class by itself whether it is there.
    head=dict(loss=dict(use_sigmoid=True)),
    train_cfg=dict(
        augments=[dict(type='mmmix.TokenMix', patch_size=16), dict(type='mmmix.Mixup', alpha=0.8)],
        probs=[0.5, 0.5],
    ),
)
