_base_ = 'lenet_30e_google-commands.py'

# The first five epochs see clean spectrograms, as in the paper.
custom_hooks = [
    dict(
        type='SwitchRecipeHook',
        schedule=[dict(action_epoch=6, batch_augments=dict(augments=dict(type='mmmix.Mixup', alpha=0.1)))],
    )
]
