_base_ = 'digits.py'

# Mean and standard deviation of the training split.
data_preprocessor = dict(mean=[60.3, 62.3, 63.5], std=[49.5, 50.2, 50.2])

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4, padding_mode='edge'),
    dict(type='PackInputs'),
]

train_dataloader = dict(batch_size=40, dataset=dict(type='mmmix.ScatteredDigits', indices=600, pipeline=train_pipeline))
val_dataloader = dict(batch_size=445, dataset=dict(type='mmmix.ScatteredDigits', scenes=2))
test_dataloader = val_dataloader
