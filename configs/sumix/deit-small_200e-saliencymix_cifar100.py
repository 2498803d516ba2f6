_base_ = '../_base_/recipes/deit-small_200e_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.SaliencyMix', alpha=0.2)))
