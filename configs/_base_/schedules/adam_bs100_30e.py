# Adam, 3e-3, a tenth of it after every ten epochs.
optim_wrapper = dict(optimizer=dict(type='Adam', lr=3e-3))

param_scheduler = dict(type='StepLR', by_epoch=True, step_size=10, gamma=0.1)

train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=1)
val_cfg = dict()
test_cfg = dict()

auto_scale_lr = dict(base_batch_size=100)
