data_preprocessor = dict(
    num_classes=10,
    # Mean and standard deviation of the training split.
    mean=[60.3, 62.3, 63.5],
    std=[49.5, 50.2, 50.2],
    to_rgb=False,
)

train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=4, padding_mode='edge'),
    dict(type='PackInputs'),
]
test_pipeline = [dict(type='PackInputs')]

# The images are in memory and small: worker processes would cost more than they save.
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    dataset=dict(type='mmmix.ScatteredDigits', split='train', indices=600, pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=445,
    num_workers=0,
    dataset=dict(type='mmmix.ScatteredDigits', split='test', scenes=2, pipeline=test_pipeline, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='Accuracy', topk=(1,))

test_dataloader = val_dataloader
test_evaluator = val_evaluator
