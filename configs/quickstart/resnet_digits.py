# All three systems in one config: CutMix whose partners are hard samples (HardMix), whose cuts spare what is salient
# (KeepAugment), and whose labels are learned (SUMix).
_base_ = 'resnet_digits_none.py'

model = dict(
    type='mmmix.MixClassifier',
    head=dict(type='mmmix.SUMixHead', gamma=0.5, clean_pass='detached'),
    train_cfg=dict(
        augments=dict(
            type='mmmix.CutMix',
            alpha=0.2,  # the SUMix paper's value for convolutional networks
            prob=0.5,
            partners=dict(type='mmmix.HardPool', size=128, min_size=16, prob=0.5),
            keep=dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'), tau=0.6),
        )
    ),
)

custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2, warmup_epochs=1)]
