_base_ = ['_base_/pyramidnet272_cifar10.py', '_base_/keepautoaugment_cifar10.py']

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=16, tau=0.6)))
train_dataloader = dict(batch_size=64)
