# Attentive CutMix: six of the 7 x 7 cells that a pretrained ResNet-50 looks at most stay.
_base_ = ['_base_/wrn28-10_cifar10.py', '../_base_/datasets/cifar10_bs128.py']

model = dict(
    train_cfg=dict(
        augments=dict(
            type='mmmix.AttentiveMix', guide=dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k', size=224), top_k=6
        )
    )
)
