_base_ = 'sgd_bs100_200e.py'

optim_wrapper = dict(optimizer=dict(lr=0.001, weight_decay=5e-4))
auto_scale_lr = dict(base_batch_size=16)
