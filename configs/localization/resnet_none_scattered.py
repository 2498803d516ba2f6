# Where is the digit? The network of configs/quickstart/resnet_scattered_none.py with a finer last map, 8 x 8.
_base_ = '../quickstart/resnet_scattered_none.py'

model = dict(backbone=dict(strides=(2, 2, 1, 1)))

test_pipeline = [dict(type='PackInputs', meta_keys=('box',))]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
