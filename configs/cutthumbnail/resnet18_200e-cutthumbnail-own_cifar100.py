_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

partners = dict(type='mmmix.Oneself')
model = dict(train_cfg=dict(augments=dict(type='mmmix.CutThumbnail', size=0.5, partners=partners)))
