"""Data sets that need no download, and one that spoils labels on purpose."""

from .corrupted_labels import CorruptedLabels
from .digits import Digits

__all__ = ['CorruptedLabels', 'Digits']
