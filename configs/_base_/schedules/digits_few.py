optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.3, momentum=0.9, nesterov=True, weight_decay=5e-4))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, begin=0, end=40, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=40, end=300, convert_to_iter_based=True),
]

# An epoch is two batches.
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=20)
val_cfg = dict()
test_cfg = dict()

# `tools/train.py --auto-scale-lr` scales the learning rate from this batch size, over all ranks, to the actual one.
auto_scale_lr = dict(base_batch_size=30)
