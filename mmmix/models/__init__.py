"""Classifiers, heads and backbones."""

from .classifiers import CleanPass, MixClassifier
from .heads import SUMixHead, sumix_terms

__all__ = ['CleanPass', 'MixClassifier', 'SUMixHead', 'sumix_terms']
