# ImageNet as DeiT's code augments it: RandAugment at magnitude 9, and random erasing of a quarter of the images.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py'

train_dataloader = dict(batch_size=128)  # on 8 GPUs
