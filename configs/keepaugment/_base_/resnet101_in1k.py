# CutMix's recipe for ImageNet, which the paper follows: 300 epochs, batch 256, three steps, Nesterov's momentum.
_base_ = [
    'mmpretrain::_base_/models/resnet101.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    '../../_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(nesterov=True))
param_scheduler = dict(milestones=[75, 150, 225])
train_cfg = dict(max_epochs=300)
