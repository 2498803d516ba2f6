# The paper's ratios on CIFAR-10, in our recipe for this network: the paper trains for 350 epochs.
_base_ = '../_base_/recipes/wrn28-10_200e_cifar10.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.RegMixup', alpha=20.0)))
