# The schedule that CutMix trains ImageNet with: three steps in 300 epochs.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4))

param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[75, 150, 225], gamma=0.1)

train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# `tools/train.py --auto-scale-lr` scales the learning rate from this batch size, over all ranks, to the actual one.
auto_scale_lr = dict(base_batch_size=256)
