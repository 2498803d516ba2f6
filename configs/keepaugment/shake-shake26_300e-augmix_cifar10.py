_base_ = ['_base_/shake-shake26_cifar10.py', '../_base_/datasets/cifar10_bs128.py']

# AugMix with its paper's settings.
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmmix.AugMix'),
    dict(type='PackInputs', algorithm_keys=('views',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    type='mmmix.MixClassifier',
    head=dict(loss=dict(_delete_=True, type='mmmix.JensenShannonLoss', weight=12.0)),
)
