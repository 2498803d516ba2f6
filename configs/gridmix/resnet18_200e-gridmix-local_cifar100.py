_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

augments = dict(type='mmmix.GridMix', grid=4, local=0.1)
model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments))
