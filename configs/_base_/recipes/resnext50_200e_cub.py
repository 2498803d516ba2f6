_base_ = [
    'mmpretrain::_base_/models/resnext50_32x4d.py',
    '../datasets/cub_bs16_224.py',
    '../schedules/sgd_bs16_200e_finetune.py',
    '../default_runtime.py',
]

# Fine-tuned from PyTorch's weights for ImageNet.
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnext50_32x4d')),
    head=dict(num_classes=200),
)
