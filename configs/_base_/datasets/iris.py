data_preprocessor = dict(num_classes=3)

pipeline = [dict(type='PackInputs')]

# The table is in memory: worker processes would cost more than they save.
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    dataset=dict(type='mmmix.Table', source='iris', split='train', pipeline=pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=0,
    dataset=dict(type='mmmix.Table', source='iris', split='test', pipeline=pipeline, test_mode=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
