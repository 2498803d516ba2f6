_base_ = ['_base_/resnet50_in1k.py', '_base_/autoaugment_in1k.py']
