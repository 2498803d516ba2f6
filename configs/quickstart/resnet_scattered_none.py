# The small network on six hundred scattered digits, without mixing: what benchmarks/scattered_accuracy.py changes.
_base_ = [
    '../_base_/models/resnet_small.py',
    '../_base_/datasets/scattered_digits.py',
    '../_base_/schedules/scattered_digits.py',
    '../_base_/default_runtime.py',
]
