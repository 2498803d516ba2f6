_base_ = 'resnet_none_digits-40.py'

# FixMatch. Three unlabelled digits for each labelled one.
train_dataloader = dict(batch_size=80, sampler=dict(unlabelled=60))
model = dict(form='hard', threshold=0.95, unlabelled_augments=[dict(type='mmmix.Cutout', length=6)])
