_base_ = ['_base_/resnet101_in1k.py', '_base_/autoaugment_in1k.py']
