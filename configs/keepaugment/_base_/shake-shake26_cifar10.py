_base_ = ['../../_base_/schedules/cifar_bs128_300e.py', '../../_base_/default_runtime.py']

model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.ShakeShake_CIFAR', depth=26, base_channels=96),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=384, loss=dict(type='CrossEntropyLoss')),
)

# The settings of the AutoAugment paper for this network, in KeepAugment's 300 epochs in place of its 1,800.
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=1e-3))
