_base_ = 'resnet_none_scattered.py'

model = dict(train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=1.0)))
