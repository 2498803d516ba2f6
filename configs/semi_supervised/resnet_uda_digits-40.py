_base_ = 'resnet_none_digits-40.py'

# UDA. Three unlabelled digits for each labelled one.
train_dataloader = dict(batch_size=80, sampler=dict(unlabelled=60))
model = dict(form='soft', temperature=0.4, threshold=0.8)
