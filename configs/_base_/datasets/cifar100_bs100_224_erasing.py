# CIFAR-100 enlarged for vision transformers, as the repository of SUMix trains DeiT-S: the same operations at magnitude
# 9, and random erasing in a quarter of the images.
_base_ = 'cifar100_bs100.py'

mean = [129.304, 124.070, 112.434]
std = [68.170, 65.392, 70.418]

operations = [
    dict(type='AutoContrast'),
    dict(type='Brightness', magnitude_range=(0.05, 0.95)),
    dict(type='ColorTransform', magnitude_range=(0.05, 0.95)),
    dict(type='Contrast', magnitude_range=(0.05, 0.95)),
    dict(type='Equalize'),
    dict(type='AutoContrast', prob=0.0),  # FixMatch's identity
    dict(type='Posterize', magnitude_range=(4, 8)),
    dict(type='Rotate', magnitude_range=(0, 30)),
    dict(type='Sharpness', magnitude_range=(0.05, 0.95)),
    dict(type='Shear', magnitude_range=(0, 0.3), direction='horizontal'),
    dict(type='Shear', magnitude_range=(0, 0.3), direction='vertical'),
    dict(type='Solarize', magnitude_range=(256, 0)),
    dict(type='Translate', magnitude_range=(0, 0.3), direction='horizontal'),
    dict(type='Translate', magnitude_range=(0, 0.3), direction='vertical'),
]

train_pipeline = [
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.8, 1.0), backend='pillow', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies=operations,
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        hparams=dict(pad_val=[round(value) for value in mean], interpolation='bicubic'),
    ),
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        fill_color=mean,
        fill_std=std,
    ),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='Resize', scale=224, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs'),
]

data_preprocessor = dict(mean=mean, std=std)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
