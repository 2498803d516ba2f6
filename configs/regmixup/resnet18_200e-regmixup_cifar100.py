_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.RegMixup', alpha=10.0)))
