model = dict(
    type='ImageClassifier',
    # SaliencyMix's code, whose settings HardMix's configs take, trains this network with dropout.
    backbone=dict(type='mmmix.WideResNet_CIFAR', depth=28, widen_factor=10, drop_rate=0.3),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=640, loss=dict(type='CrossEntropyLoss')),
)
