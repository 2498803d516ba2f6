"""Transforms for data pipelines."""

from .keep_augment import KeepAugment
from .keep_auto_augment import KeepAutoAugment
from .keep_cutout import KeepCutout
from .keep_rand_augment import KeepRandAugment

__all__ = ['KeepAugment', 'KeepAutoAugment', 'KeepCutout', 'KeepRandAugment']
