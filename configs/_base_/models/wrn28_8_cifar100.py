model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.WideResNet_CIFAR', depth=28, widen_factor=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=100, in_channels=512, loss=dict(type='CrossEntropyLoss')),
)
