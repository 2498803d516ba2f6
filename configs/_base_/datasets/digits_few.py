data_preprocessor = dict(
    num_classes=10,
    # Mean and standard deviation of the training split, whose three channels are equal.
    mean=[77.8, 77.8, 77.8],
    std=[82.4, 82.4, 82.4],
    to_rgb=False,
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=16, padding=2),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# Sixty labels, five to seven of each digit: in the order of the data set the digits come round in turn.
train_dataloader = dict(
    batch_size=30,
    num_workers=0,
    dataset=dict(type='mmmix.Digits', split='train', size=16, indices=60, pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=445,
    num_workers=0,
    dataset=dict(type='mmmix.Digits', split='test', size=16, pipeline=test_pipeline, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
