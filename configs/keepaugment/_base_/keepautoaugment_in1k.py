# AutoAugment with the clean view packed for mmmix.KeepPaste.
_base_ = 'autoaugment_in1k.py'

train_pipeline = [*_base_.train_pipeline[:-1], dict(type='PackInputs', algorithm_keys=('clean_view',))]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
