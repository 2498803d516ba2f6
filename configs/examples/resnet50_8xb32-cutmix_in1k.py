# mmpretrain's ResNet-50 on ImageNet, trained with CutMix of mmmix.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'

model = dict(train_cfg=dict(augments=[dict(type='mmmix.CutMix', alpha=1.0)]))

# Each GPU draws its own ratios and boxes; with MMEngine's default all of them draw the same.
randomness = dict(diff_rank_seed=True)
