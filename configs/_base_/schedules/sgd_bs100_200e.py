_base_ = 'sgd_bs100_800e.py'

max_epochs = 200

param_scheduler = dict(end=max_epochs)
train_cfg = dict(max_epochs=max_epochs)
