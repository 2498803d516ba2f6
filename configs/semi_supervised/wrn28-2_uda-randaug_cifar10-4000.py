_base_ = ['_base_/cifar10_4000.py', '_base_/wrn28-2_400e.py', '../_base_/default_runtime.py']

# UDA: labels sharpened by a temperature of 0.4, of images that the network is sure of at 0.8.
model = dict(form='soft', temperature=0.4, threshold=0.8)
