_base_ = [
    '../_base_/datasets/google_commands_bs100.py',
    '../_base_/schedules/adam_bs100_30e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='mmmix.MixClassifier',
    backbone=dict(type='mmmix.SpeechLeNet'),
    head=dict(type='LinearClsHead', num_classes=30, in_channels=1000, loss=dict(type='CrossEntropyLoss')),
)
