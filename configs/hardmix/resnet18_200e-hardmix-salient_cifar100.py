# The most salient patches of hard samples: HardMix with the box of SaliencyMix.
_base_ = 'resnet18_200e-hardmix_cifar100.py'

model = dict(train_cfg=dict(augments=dict(guide=dict(type='mmmix.FineGrained'))))
