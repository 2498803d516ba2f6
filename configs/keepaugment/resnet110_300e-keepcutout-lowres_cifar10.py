_base_ = 'resnet110_300e-keepcutout_cifar10.py'

model = dict(train_cfg=dict(augments=dict(guide=dict(type='mmmix.InputGradient', scale=0.5))))
