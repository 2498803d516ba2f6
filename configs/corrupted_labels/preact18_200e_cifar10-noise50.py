_base_ = 'preact18_200e_cifar10-noise20.py'

train_dataloader = dict(dataset=dict(fraction=0.5))
