_base_ = 'digits.py'

train_pipeline = [
    dict(type='RandomCrop', crop_size=16, padding=2),
    dict(type='PackInputs'),
]

# Sixty labels, five to seven of each digit: in the order of the data set the digits come round in turn.
train_dataloader = dict(batch_size=30, dataset=dict(size=16, indices=60, pipeline=train_pipeline))
val_dataloader = dict(batch_size=445, dataset=dict(size=16))
test_dataloader = val_dataloader
