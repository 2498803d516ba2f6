"""Heads that understand mixes."""

from .regression_head import RegressionHead
from .sumix_head import SUMixHead, SUMixVisionTransformerClsHead
from .sumix_mixin import SUMixMixin

__all__ = ['RegressionHead', 'SUMixHead', 'SUMixMixin', 'SUMixVisionTransformerClsHead']
