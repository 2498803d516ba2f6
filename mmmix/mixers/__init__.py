"""Where a partner is mixed in: one file per method."""

from .cutmix import BoxMixer, CutMix
from .cutout import Cutout
from .hardmix import HardMix
from .mix import Mix, Mixer
from .mixup import Mixup
from .presets import KeepCutMix, KeepCutout, KeepRandomErasing
from .random_erasing import RandomErasing

__all__ = ['BoxMixer', 'CutMix', 'Cutout', 'HardMix', 'KeepCutMix', 'KeepCutout', 'KeepRandomErasing', 'Mix', 'Mixer', 'Mixup', 'RandomErasing']
