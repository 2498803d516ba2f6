_base_ = 'lenet_30e_google-commands.py'

# mmpretrain's VGG takes three channels: the spectrogram is repeated.
train_pipeline = [dict(type='mmmix.LoadSpectrogram', channels=3), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=train_pipeline))

model = dict(
    backbone=dict(_delete_=True, type='VGG', depth=11, norm_cfg=dict(type='BN')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(in_channels=512),
)
