# mmpretrain's DeiT-small on ImageNet, with CutMix of mmmix in place of mmpretrain's Mixup and CutMix.
_base_ = 'mmpretrain::deit/deit-small_4xb256_in1k.py'

# A list takes the place of what the config above mixes with; a dict would have to fit what is there.
model = dict(train_cfg=dict(augments=[dict(type='mmmix.CutMix', alpha=1.0)]))

# Each GPU draws its own ratios and boxes; with MMEngine's default all of them draw the same.
randomness = dict(diff_rank_seed=True)
