_base_ = '../_base_/recipes/wrn28-8_400e_cifar100.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.SaliencyMix', alpha=0.2)))
