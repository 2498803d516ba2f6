"""Losses that understand mixed labels."""

from .decoupled_mix_loss import DecoupledMixLoss

__all__ = ['DecoupledMixLoss']
