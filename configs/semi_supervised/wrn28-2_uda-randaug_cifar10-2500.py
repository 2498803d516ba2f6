_base_ = 'wrn28-2_uda-randaug_cifar10-4000.py'

train_dataloader = dict(dataset=dict(labels=2500))
