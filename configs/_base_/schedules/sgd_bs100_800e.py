# OpenMixup's schedule for small images: SGD and a cosine down to 0, stepped once an epoch.
max_epochs = 800

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, end=max_epochs)

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `tools/train.py --auto-scale-lr` scales the learning rate from this batch size, over all ranks, to the actual one.
auto_scale_lr = dict(base_batch_size=100)
