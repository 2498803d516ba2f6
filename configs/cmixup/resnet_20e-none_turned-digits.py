_base_ = '../_base_/recipes/resnet_20e_turned-digits.py'
