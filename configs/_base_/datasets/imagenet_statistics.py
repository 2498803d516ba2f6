# Image files are read as BGR; mean and standard deviation are those of ImageNet, in RGB.
data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
