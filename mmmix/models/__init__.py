"""Classifiers, heads and backbones."""

from .classifiers import CleanPass, MixClassifier
from .heads import SUMixHead, SUMixMixin, SUMixVisionTransformerClsHead, sumix_terms

__all__ = [
    'CleanPass',
    'MixClassifier',
    'SUMixHead',
    'SUMixMixin',
    'SUMixVisionTransformerClsHead',
    'sumix_terms',
]
