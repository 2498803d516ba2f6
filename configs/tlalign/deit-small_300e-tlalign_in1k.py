_base_ = '../_base_/recipes/deit-small_300e_in1k.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=1.0, labels=dict(type='mmmix.TLAlign'))),
)

# Each image three times in a step, as in DeiT.
train_dataloader = dict(sampler=dict(type='RepeatAugSampler'))
