"""Transforms for data pipelines."""

from .augmix import AugMix
from .keep_augment import KeepAugment
from .keep_auto_augment import KeepAutoAugment
from .keep_cutout import KeepCutout
from .keep_rand_augment import KeepRandAugment
from .pixmix import PixMix
from .spectrogram import LoadSpectrogram
from .turned import Turned
from .weak_strong import WeakStrong

__all__ = [
    'AugMix',
    'KeepAugment',
    'KeepAutoAugment',
    'KeepCutout',
    'KeepRandAugment',
    'LoadSpectrogram',
    'PixMix',
    'Turned',
    'WeakStrong',
]
