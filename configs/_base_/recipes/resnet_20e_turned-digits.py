# By which angle in -60 to 60 degrees was a digit turned? The label is uniform in [-1, 1].
_base_ = [
    '../models/resnet_digits.py',
    '../datasets/digits.py',
    '../schedules/digits.py',
    '../default_runtime.py',
]

model = dict(head=dict(_delete_=True, type='mmmix.RegressionHead', in_channels=128))
data_preprocessor = dict(num_classes=1)

pipeline = [dict(type='mmmix.Turned', degrees=(-60, 60)), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
val_evaluator = dict(_delete_=True, type='mmmix.RegressionError')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
