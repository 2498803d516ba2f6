data_preprocessor = dict(num_classes=751, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 256)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomCrop', crop_size=(256, 128), padding=10),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(128, 256)),
    dict(type='PackInputs', meta_keys=('person', 'camera', 'is_query')),
]

# Sixteen persons, four images of each.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type='mmmix.Market1501', data_root='data/market1501', split='train', pipeline=train_pipeline),
    sampler=dict(type='mmmix.SomeOfEach', samples=4),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(type='mmmix.Market1501', data_root='data/market1501', split='test', pipeline=test_pipeline),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='mmmix.Ranking', ranks=(1, 5, 10))
test_evaluator = val_evaluator
