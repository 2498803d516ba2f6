"""Data sets that need no download, and one that spoils labels on purpose."""

from .corrupted_labels import CorruptedLabels
from .digits import Digits
from .transforms import KeepAugment, KeepAutoAugment, KeepRandAugment

__all__ = ['CorruptedLabels', 'Digits', 'KeepAugment', 'KeepAutoAugment', 'KeepRandAugment']
