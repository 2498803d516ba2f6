# 400 epochs of 1,000 batches, cosine, an exponential moving average of the weights.
model = dict(
    type='mmmix.SemiSupervisedClassifier',
    backbone=dict(type='mmmix.WideResNet_CIFAR', depth=28, widen_factor=2),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels=128, loss=dict(type='CrossEntropyLoss')),
)

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4))

param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=400, convert_to_iter_based=True)

train_cfg = dict(by_epoch=True, max_epochs=400, val_interval=1)
val_cfg = dict()
test_cfg = dict()

custom_hooks = [dict(type='EMAHook', momentum=0.001)]

auto_scale_lr = dict(base_batch_size=512)
