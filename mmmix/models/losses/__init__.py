"""Losses that understand mixed labels."""

from .decoupled_mix_loss import DecoupledMixLoss
from .jensen_shannon_loss import JensenShannonLoss
from .semi_supervised import TrainingSignalAnnealing

__all__ = ['DecoupledMixLoss', 'JensenShannonLoss', 'TrainingSignalAnnealing']
