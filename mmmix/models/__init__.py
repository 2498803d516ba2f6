"""Classifiers, heads and backbones."""

from .. import family as family
from .backbones import (
    MLP,
    PreActResNet_CIFAR,
    PyramidNet_CIFAR,
    ResNet_CIFAR,
    ResNeXt_CIFAR,
    ShakeDrop,
    ShakeShake,
    ShakeShake_CIFAR,
    SpeechLeNet,
    WideResNet_CIFAR,
)
from .classifiers import CleanPass, MixClassifier, SemiSupervisedClassifier
from .dense_mix import DenseMix
from .heads import (
    RegressionHead,
    ReIDHead,
    SUMixDeiTClsHead,
    SUMixEfficientFormerClsHead,
    SUMixHead,
    SUMixLeViTClsHead,
    SUMixMixin,
    SUMixStackedLinearClsHead,
    SUMixVigClsHead,
    SUMixVisionTransformerClsHead,
)
from .losses import DecoupledMixLoss, JensenShannonLoss, TrainingSignalAnnealing

__all__ = [
    'MLP',
    'CleanPass',
    'DecoupledMixLoss',
    'DenseMix',
    'JensenShannonLoss',
    'MixClassifier',
    'PreActResNet_CIFAR',
    'PyramidNet_CIFAR',
    'ReIDHead',
    'RegressionHead',
    'ResNeXt_CIFAR',
    'ResNet_CIFAR',
    'SUMixDeiTClsHead',
    'SUMixEfficientFormerClsHead',
    'SUMixHead',
    'SUMixLeViTClsHead',
    'SUMixMixin',
    'SUMixStackedLinearClsHead',
    'SUMixVigClsHead',
    'SUMixVisionTransformerClsHead',
    'SemiSupervisedClassifier',
    'ShakeDrop',
    'ShakeShake',
    'ShakeShake_CIFAR',
    'SpeechLeNet',
    'TrainingSignalAnnealing',
    'WideResNet_CIFAR',
]
