_base_ = 'mlp_10e_iris.py'

model = dict(
    type='mmmix.MixClassifier',
    train_cfg=dict(augments=dict(type='mmmix.ManifoldMix', alpha=2.0, at=['', 'backbone.layer1', 'backbone.layer2'])),
)
