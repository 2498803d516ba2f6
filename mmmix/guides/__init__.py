"""What is important in an image: guides turn images and labels into a map of importance."""

from ..core.roles import Guide
from ..probes.gradients import input_gradient, raw_gradient, saliency, saliency_target
from ..probes.untouched import untouched
from .attention import Attention
from .class_activation import ClassActivation
from .early_head import EarlyHead
from .fine_grained import FineGrained
from .gradient import InputGradient
from .merged_attention import MergedAttention
from .spectral_residual import SpectralResidual
from .teacher import Teacher

__all__ = [
    'Attention',
    'ClassActivation',
    'EarlyHead',
    'FineGrained',
    'Guide',
    'InputGradient',
    'MergedAttention',
    'SpectralResidual',
    'Teacher',
    'input_gradient',
    'raw_gradient',
    'saliency',
    'saliency_target',
    'untouched',
]
