"""Heads that understand mixes."""

from .sumix_head import SUMixHead, SUMixMixin, SUMixVisionTransformerClsHead

__all__ = ['SUMixHead', 'SUMixMixin', 'SUMixVisionTransformerClsHead']
