"""Where a partner is mixed in: one file per method."""

from .cutmix import BoxMixer, CutMix
from .mix import Mix, Mixer
from .mixup import Mixup

__all__ = ['BoxMixer', 'CutMix', 'Mix', 'Mixer', 'Mixup']
