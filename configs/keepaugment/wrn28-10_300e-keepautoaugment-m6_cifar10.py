_base_ = 'wrn28-10_300e-keepautoaugment_cifar10.py'

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(magnitude=6)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
