# A plain GAN with the paper's settings: three hidden layers of 512, batches of 128, Adam, five steps of the
# discriminator for one of the generator, 20,000 iterations.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['projects.mixup_gan.gan'])

model = dict(type='PointGAN', width=512)

train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    dataset=dict(type='Points', kind='ring', iterations=20000, batch=128, steps=5),
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
train_cfg = dict(by_epoch=False, max_iters=20000)

optim_wrapper = dict(
    constructor='SeparateOptimizers',
    generator=dict(optimizer=dict(type='Adam')),
    discriminator=dict(optimizer=dict(type='Adam')),
)

custom_hooks = [dict(type='Snapshots', at=[10, 100, 1000, 10000, 20000])]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1000),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=1),
)
log_level = 'INFO'
randomness = dict(seed=0)
