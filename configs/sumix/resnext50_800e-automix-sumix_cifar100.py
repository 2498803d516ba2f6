_base_ = '../automix/resnext50_800e-automix_cifar100.py'

# The paper has no gamma for AutoMix; this one is our choice.
model = dict(
    head=dict(type='mmmix.SUMixHead', gamma=0.5, distance='released', scale=100.0),
    train_cfg=dict(augments=dict(alpha=2.0)),
)
