"""Losses that understand mixed labels."""

from .decoupled_mix_loss import DecoupledMixLoss
from .jensen_shannon_loss import JensenShannonLoss
from .sumix import sumix_terms

__all__ = ['DecoupledMixLoss', 'JensenShannonLoss', 'sumix_terms']
