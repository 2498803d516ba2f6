_base_ = 'resnet101_300e-keepautoaugment_in1k.py'

model = dict(train_cfg=dict(augments=dict(guide=dict(type='mmmix.InputGradient', scale=0.5))))
