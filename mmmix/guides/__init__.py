"""What is important in an image: guides turn images and labels into a map of importance."""

from ..part import Guide
from .activation import ClassActivation
from .attention import Attention
from .early_head import EarlyHead
from .fine_grained import FineGrained
from .gradient import InputGradient, input_gradient, raw_gradient, saliency, saliency_target, untouched
from .spectral_residual import SpectralResidual
from .teacher import Teacher

__all__ = [
    'Attention',
    'ClassActivation',
    'EarlyHead',
    'FineGrained',
    'Guide',
    'InputGradient',
    'SpectralResidual',
    'Teacher',
    'input_gradient',
    'raw_gradient',
    'saliency',
    'saliency_target',
    'untouched',
]
