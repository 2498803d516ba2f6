# A CIFAR ResNet of one block a stage, which halves the resolution three times: 78 k parameters.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.ResNet_CIFAR', depth=10, stem_channels=8, base_channels=8, strides=(2, 2, 2, 1)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=64, loss=dict(type='CrossEntropyLoss')),
)
