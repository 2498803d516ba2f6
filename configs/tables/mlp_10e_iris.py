# Two hidden layers of 128 units on Iris, without mixing: what the others are compared with.
_base_ = [
    '../_base_/datasets/iris.py',
    '../_base_/schedules/adam_bs16_10e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='mmmix.MLP', in_features=4, widths=(128, 128)),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=128, loss=dict(type='CrossEntropyLoss')),
)

# An epoch is short: not each of them needs a checkpoint.
default_hooks = dict(checkpoint=dict(interval=10))
