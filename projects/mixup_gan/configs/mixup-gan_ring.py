_base_ = 'gan_ring.py'

model = dict(alpha=0.2)
