_base_ = [
    '../models/deit_small_in1k.py',
    '../datasets/imagenet_bs128_deit.py',
    '../schedules/adamw_bs1024_300e.py',
    '../default_runtime.py',
]
