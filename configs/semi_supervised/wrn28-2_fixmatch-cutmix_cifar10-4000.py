_base_ = 'wrn28-2_fixmatch_cifar10-4000.py'

# Ours: CutMix of the labelled part, and of strong views with the labels that the network gave them.
model = dict(
    train_cfg=dict(augments=dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)),
    unlabelled_augments=[dict(type='mmmix.CutMix', alpha=1.0, prob=0.5, lam_mode='elem')],
)
