# mmpretrain's Swin-tiny on ImageNet, with mmmix's CutMix or mmpretrain's own Mixup, one of the two for each batch.
_base_ = 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py'

# A list replaces an inherited list as it is, and may hold mixers of both packages; `probs` is how often each is drawn.
model = dict(
    train_cfg=dict(
        augments=[dict(type='mmmix.CutMix', alpha=1.0), dict(type='mmpretrain.Mixup', alpha=0.8)],
        probs=[0.5, 0.5],
    )
)

# Each GPU draws its own ratios and boxes; with MMEngine's default all of them draw the same.
randomness = dict(diff_rank_seed=True)
