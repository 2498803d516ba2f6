_base_ = '../_base_/recipes/resnet101_300e_in1k.py'

# As SaliencyMix trains ImageNet, every batch is mixed. 512 images as grey levels take 79 MB on each device.
model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.HardMix', alpha=1.0, prob=1.0)),
)

# No clean batch tells what is hard, so every fifth epoch ends in a look at the whole training set.
custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2, warmup_epochs=5, scan_interval=5)]
