"""Heads that understand mixes."""

from .regression_head import RegressionHead
from .reid_head import ReIDHead
from .sumix_head import SUMixHead, SUMixVisionTransformerClsHead
from .sumix_mixin import SUMixMixin
from .sumix_others import (
    SUMixDeiTClsHead,
    SUMixEfficientFormerClsHead,
    SUMixLeViTClsHead,
    SUMixStackedLinearClsHead,
    SUMixVigClsHead,
)

__all__ = [
    'ReIDHead',
    'RegressionHead',
    'SUMixDeiTClsHead',
    'SUMixEfficientFormerClsHead',
    'SUMixHead',
    'SUMixLeViTClsHead',
    'SUMixMixin',
    'SUMixStackedLinearClsHead',
    'SUMixVigClsHead',
    'SUMixVisionTransformerClsHead',
]
