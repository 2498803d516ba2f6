_base_ = '../_base_/recipes/resnet18_200e_cifar100.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.HardMix', alpha=1.0, prob=0.5)),
)

custom_hooks = [dict(type='mmmix.HardSampleHook', fraction=0.2, warmup_epochs=5)]
