"""Heads that understand mixes."""

from .sumix_head import SUMixHead, SUMixMixin, SUMixVisionTransformerClsHead, sumix_terms

__all__ = ['SUMixHead', 'SUMixMixin', 'SUMixVisionTransformerClsHead', 'sumix_terms']
