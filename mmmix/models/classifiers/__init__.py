"""Classifiers that run mixers."""

from .clean_pass import CleanPass
from .mix_classifier import MixClassifier
from .semi_supervised import SemiSupervisedClassifier

__all__ = ['CleanPass', 'MixClassifier', 'SemiSupervisedClassifier']
