_base_ = '../_base_/recipes/deit-small_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(
        augments=[
            dict(type='mmmix.CutMix', alpha=1.0, labels=dict(type='mmmix.LUMix', r_s=0.1, r_n=0.1)),
            dict(type='mmmix.Mixup', alpha=0.8, labels=dict(type='mmmix.LUMix', r_s=0.1, r_n=0.1)),
        ],
        probs=[0.5, 0.5],
    ),
)

# Each image three times in a step, as in DeiT.
train_dataloader = dict(sampler=dict(type='RepeatAugSampler'))
