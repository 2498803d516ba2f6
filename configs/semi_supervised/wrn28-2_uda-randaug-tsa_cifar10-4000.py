_base_ = 'wrn28-2_uda-randaug_cifar10-4000.py'

# Labels that the network is sure of are held back early on.
model = dict(head=dict(loss=dict(_delete_=True, type='mmmix.TrainingSignalAnnealing', schedule='linear')))
