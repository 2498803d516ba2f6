_base_ = 'wrn28-2_uda-randaug_cifar10-4000.py'

# The strong view gets a box of 16 x 16 pixels back from the clean one, where the gradient of the largest logit is high,
# taken at half the resolution as in the paper.
weak = [
    dict(type='RandomCrop', crop_size=32, padding=4, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
]
train_dataloader = dict(
    dataset=dict(
        unlabelled_pipeline=[
            dict(type='mmmix.WeakStrong', weak=weak, strong=[*weak, dict(type='mmmix.KeepRandAugment')]),
            dict(type='PackInputs', algorithm_keys=('strong_view', 'clean_view')),
        ]
    )
)
model = dict(
    unlabelled_augments=[
        dict(
            type='mmmix.KeepPaste',
            length=16,
            tau=0.6,
            guide=dict(type='mmmix.InputGradient', scale=0.5, target='max'),
        )
    ]
)
