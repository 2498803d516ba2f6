model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.ResNeXt_CIFAR', depth=50, groups=32, width_per_group=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=100, in_channels=2048, loss=dict(type='CrossEntropyLoss')),
)
