# Forty labelled digits and no others: what the two below are compared with.
_base_ = ['../_base_/models/resnet_small.py', '../_base_/datasets/digits.py', '../_base_/default_runtime.py']

weak = [dict(type='RandomCrop', crop_size=16, padding=2)]
strong = [
    *weak,
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        magnitude_level=9,
        magnitude_std=0.5,
        total_level=10,
    ),
]

model = dict(type='mmmix.SemiSupervisedClassifier')

train_dataloader = dict(
    batch_size=20,
    dataset=dict(
        _delete_=True,
        type='mmmix.SemiSupervised',
        dataset=dict(type='mmmix.Digits', split='train', size=16),
        labels=40,
        pipeline=[*weak, dict(type='PackInputs')],
        unlabelled_pipeline=[
            dict(type='mmmix.WeakStrong', weak=weak, strong=strong),
            dict(type='PackInputs', algorithm_keys=('strong_view', 'clean_view')),
        ],
    ),
    sampler=dict(_delete_=True, type='mmmix.LabelledAndUnlabelled', labelled=20, unlabelled=0, iterations=50),
)
val_dataloader = dict(batch_size=445, dataset=dict(size=16))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4))
param_scheduler = dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=8, convert_to_iter_based=True)
train_cfg = dict(by_epoch=True, max_epochs=8, val_interval=8)
val_cfg = dict()
test_cfg = dict()
