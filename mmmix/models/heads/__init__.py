"""Heads that understand mixes."""

from .sumix_head import SUMixHead, sumix_terms

__all__ = ['SUMixHead', 'sumix_terms']
