# Patches of hard samples (HardMix), and label shares that follow what the network sees of each image (SUMix).
_base_ = 'resnet18_200e-hardmix_cifar100.py'

model = dict(head=dict(type='mmmix.SUMixHead', gamma=0.5))
