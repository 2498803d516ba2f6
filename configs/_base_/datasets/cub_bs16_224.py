_base_ = 'fine_grained_bs16_224.py'

data_preprocessor = dict(num_classes=200)

train_dataloader = dict(dataset=dict(type='CUB', data_root='data/CUB_200_2011', split='train'))
val_dataloader = dict(dataset=dict(type='CUB', data_root='data/CUB_200_2011', split='test'))
test_dataloader = val_dataloader
