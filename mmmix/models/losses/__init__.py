"""Losses that understand mixed labels."""

from .decoupled_mix_loss import DecoupledMixLoss
from .sumix import sumix_terms

__all__ = ['DecoupledMixLoss', 'sumix_terms']
