_base_ = ['_base_/wrn28-10-dropout_cifar10.py', '../_base_/datasets/cifar10_bs128.py']

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepCutout', length=16, tau=0.6)))
