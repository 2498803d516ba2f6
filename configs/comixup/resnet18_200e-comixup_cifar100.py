_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.CoMixup', alpha=2.0, clean_lam=1.0)))
