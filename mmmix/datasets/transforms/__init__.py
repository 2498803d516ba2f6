"""Transforms for data pipelines."""

from .keep_augment import KeepAugment, KeepAutoAugment, KeepCutout, KeepRandAugment

__all__ = ['KeepAugment', 'KeepAutoAugment', 'KeepCutout', 'KeepRandAugment']
