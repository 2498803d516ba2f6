# The grid in proportion to the authors' on ImageNet (units of 96 to 224 pixels of 224, a ramp over 240 of 300 epochs).
_base_ = ['_base_/wrn28-10_cifar10.py', '../_base_/datasets/cifar10_bs128.py']

model = dict(
    train_cfg=dict(augments=dict(type='mmmix.GridMask', d_range=(14, 32), ratio=0.6, prob=0.8, ramp_epochs=240))
)
