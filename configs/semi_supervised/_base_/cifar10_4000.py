# 4,000 labels of CIFAR-10; all 50,000 images come without labels too, seven for each labelled one.
_base_ = 'mmpretrain::_base_/datasets/cifar10_bs16.py'

strong = [
    dict(type='RandomCrop', crop_size=32, padding=4, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=9,
        magnitude_std=0.5,
        total_level=10,
    ),
]
weak = strong[:2]

train_dataloader = dict(
    batch_size=512,
    num_workers=4,
    persistent_workers=True,
    dataset=dict(
        _delete_=True,
        type='mmmix.SemiSupervised',
        dataset=dict(type='CIFAR10', data_root='data/cifar10', split='train'),
        labels=4000,
        pipeline=[*weak, dict(type='PackInputs')],
        unlabelled_pipeline=[
            dict(type='mmmix.WeakStrong', weak=weak, strong=strong),
            dict(type='PackInputs', algorithm_keys=('strong_view', 'clean_view')),
        ],
    ),
    sampler=dict(_delete_=True, type='mmmix.LabelledAndUnlabelled', labelled=64, unlabelled=448, iterations=1000),
)
val_dataloader = dict(batch_size=256, num_workers=4)
test_dataloader = dict(batch_size=256, num_workers=4)
