# mmpretrain's DeiT-small on ImageNet, with CutMix of mmmix in place of mmpretrain's Mixup and CutMix.
_base_ = 'mmpretrain::deit/deit-small_4xb256_in1k.py'

# The config above has a list of augments already, and MMEngine merges a dict only into a dict: `_delete_=True` drops
# the inherited `train_cfg` and puts this one in its place.
model = dict(train_cfg=dict(_delete_=True, augments=dict(type='mmmix.CutMix', alpha=1.0)))

# Each GPU draws its own ratios and boxes; with MMEngine's default all of them draw the same.
randomness = dict(diff_rank_seed=True)
