# PyTorch's settings for ImageNet, with the cosine of the released SUMix configs.
_base_ = 'sgd_bs100_200e.py'

max_epochs = 100

param_scheduler = dict(end=max_epochs)
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=256)
