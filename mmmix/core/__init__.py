"""The contract: arguments and parts, the five roles, the mix, the mixer and its kinds. It knows torch and ``ops``."""

from .arguments import Built, check
from .kinds import BoxMixer, Eraser, GuidedMixer, Preserving, RatiolessMixer, TokenGuidedMixer, WholeMixer
from .mix import Mix
from .mixer import Mixer
from .part import Part
from .roles import Guide, Keep, Labels, Partners, Permutation

__all__ = [
    'BoxMixer',
    'Built',
    'Eraser',
    'Guide',
    'GuidedMixer',
    'Keep',
    'Labels',
    'Mix',
    'Mixer',
    'Part',
    'Partners',
    'Permutation',
    'Preserving',
    'RatiolessMixer',
    'TokenGuidedMixer',
    'WholeMixer',
    'check',
]
