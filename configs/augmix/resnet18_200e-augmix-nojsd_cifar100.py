# The mixture in the place of the image, without the divergence: one forward pass, and the stock classifier.
_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

train_pipeline = [*_base_.train_pipeline[:-1], dict(type='mmmix.AugMix', views=0), _base_.train_pipeline[-1]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
