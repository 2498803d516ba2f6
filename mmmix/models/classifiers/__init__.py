"""Classifiers that run mixers."""

from .clean_pass import CleanPass
from .mix_classifier import MixClassifier

__all__ = ['CleanPass', 'MixClassifier']
