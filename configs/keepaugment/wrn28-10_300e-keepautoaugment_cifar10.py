_base_ = ['_base_/wrn28-10_cifar10.py', '_base_/keepautoaugment_cifar10.py']

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=16, tau=0.6)))
