data_preprocessor = dict(num_classes=30)

train_pipeline = [dict(type='mmmix.LoadSpectrogram'), dict(type='PackInputs')]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=100,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type='mmmix.GoogleCommands', data_root='data/speech_commands', split='train', pipeline=train_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type='mmmix.GoogleCommands', data_root='data/speech_commands', split='val', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=100,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type='mmmix.GoogleCommands', data_root='data/speech_commands', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)

val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
