"""Heads that understand mixes."""

from .sumix_head import SUMixHead, SUMixVisionTransformerClsHead
from .sumix_mixin import SUMixMixin

__all__ = ['SUMixHead', 'SUMixMixin', 'SUMixVisionTransformerClsHead']
