"""Where a partner is mixed in: one file per method."""

from .cutmix import BoxMixer, CutMix
from .cutout import Cutout
from .fmix import FMix
from .gridmask import GridMask
from .gridmix import GridMix
from .hardmix import HardMix
from .mix import Mix, Mixer
from .mixup import Mixup
from .presets import KeepCutMix, KeepCutout, KeepRandomErasing
from .random_erasing import RandomErasing
from .recursivemix import RecursiveMix
from .resizemix import ResizeMix
from .saliencymix import SaliencyMix
from .smoothmix import SmoothMix
from .stackmix import StackMix

__all__ = [
    'BoxMixer',
    'CutMix',
    'Cutout',
    'FMix',
    'GridMask',
    'GridMix',
    'HardMix',
    'KeepCutMix',
    'KeepCutout',
    'KeepRandomErasing',
    'Mix',
    'Mixer',
    'Mixup',
    'RandomErasing',
    'RecursiveMix',
    'ResizeMix',
    'SaliencyMix',
    'SmoothMix',
    'StackMix',
]
