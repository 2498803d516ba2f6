_base_ = '../_base_/recipes/resnet50_300e_in1k.py'

# 512 images as grey levels take 79 MB on each device.
model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.HardMix', alpha=1.0, prob=0.5)),
)

custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2, warmup_epochs=5)]
