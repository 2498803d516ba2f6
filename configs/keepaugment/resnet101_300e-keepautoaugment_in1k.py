_base_ = ['_base_/resnet101_in1k.py', '_base_/keepautoaugment_in1k.py']

model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=40, tau=0.6)))
