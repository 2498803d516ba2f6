_base_ = 'mlp_10e_iris.py'

# The paper does not tell its alpha for tables; this is its lower one for images.
model = dict(train_cfg=dict(augments=dict(type='mmmix.Mixup', alpha=0.2)))
