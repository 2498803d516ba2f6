"""Data sets: some that need no download, some that mmpretrain lacks, and one that spoils labels on purpose."""

from .. import family as family
from .cifar_c import CIFAR10C, CIFAR100C, CORRUPTIONS
from .corrupted_labels import CorruptedLabels
from .digits import Digits
from .google_commands import GoogleCommands
from .market1501 import Market1501, SomeOfEach
from .scattered_digits import ScatteredDigits
from .semi_supervised import LabelledAndUnlabelled, SemiSupervised
from .table import Table
from .tiny_imagenet import TinyImageNet
from .transforms import (
    AugMix,
    KeepAugment,
    KeepAutoAugment,
    KeepRandAugment,
    LoadSpectrogram,
    PixMix,
    Turned,
    WeakStrong,
)

__all__ = [
    'CIFAR10C',
    'CIFAR100C',
    'CORRUPTIONS',
    'AugMix',
    'CorruptedLabels',
    'Digits',
    'GoogleCommands',
    'KeepAugment',
    'KeepAutoAugment',
    'KeepRandAugment',
    'LabelledAndUnlabelled',
    'LoadSpectrogram',
    'Market1501',
    'PixMix',
    'ScatteredDigits',
    'SemiSupervised',
    'SomeOfEach',
    'Table',
    'TinyImageNet',
    'Turned',
    'WeakStrong',
]
