_base_ = ['_base_/pyramidnet272_cifar10.py', '_base_/autoaugment_cifar10.py']

train_dataloader = dict(batch_size=64)
