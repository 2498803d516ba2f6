"""Networks that mmpretrain lacks."""

from .lenet_speech import SpeechLeNet
from .mlp import MLP
from .preact_resnet import PreActResNet_CIFAR
from .pyramidnet import PyramidNet_CIFAR
from .resnet_cifar import ResNet_CIFAR, ResNeXt_CIFAR
from .shake import ShakeDrop, ShakeShake
from .shake_shake import ShakeShake_CIFAR
from .wide_resnet import WideResNet_CIFAR

__all__ = [
    'MLP',
    'PreActResNet_CIFAR',
    'PyramidNet_CIFAR',
    'ResNeXt_CIFAR',
    'ResNet_CIFAR',
    'ShakeDrop',
    'ShakeShake',
    'ShakeShake_CIFAR',
    'SpeechLeNet',
    'WideResNet_CIFAR',
]
