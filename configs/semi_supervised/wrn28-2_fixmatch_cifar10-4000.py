_base_ = ['_base_/cifar10_4000.py', '_base_/wrn28-2_400e.py', '../_base_/default_runtime.py']

# FixMatch: the class of the largest probability, of images that the network is sure of at 0.95; Cutout on strong views.
model = dict(form='hard', threshold=0.95, unlabelled_augments=[dict(type='mmmix.Cutout', length=16)])
