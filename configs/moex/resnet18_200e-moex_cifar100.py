_base_ = '../_base_/recipes/resnet18_200e_bs100_cifar100.py'

augments = dict(type='mmmix.MoEx', share=0.5, prob=0.25, at='backbone.relu')
model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments))
