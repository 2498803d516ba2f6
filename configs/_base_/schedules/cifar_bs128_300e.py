# The 300 epochs with a cosine that KeepAugment trains CIFAR with.
_base_ = 'cifar_bs128_200e.py'

max_epochs = 300

param_scheduler = dict(
    _delete_=True, type='CosineAnnealingLR', by_epoch=True, T_max=max_epochs, convert_to_iter_based=True
)
train_cfg = dict(max_epochs=max_epochs)
