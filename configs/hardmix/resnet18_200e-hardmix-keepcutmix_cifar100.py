# Patches of hard samples (HardMix), pasted where they hide nothing important of the own image (KeepAugment).
_base_ = 'resnet18_200e-hardmix_cifar100.py'

keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient', scale=0.5), tau=0.6)
model = dict(train_cfg=dict(augments=dict(keep=keep)))
