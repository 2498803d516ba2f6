"""The contract: arguments and parts, the five roles, the mix, the mixer and its kinds. It knows torch and ``ops``."""

from .arguments import Built, check
from .detection import mix_detection
from .kinds import BoxMixer, Eraser, GuidedMixer, Preserving, RatiolessMixer, TokenGuidedMixer, WholeMixer
from .label_maps import mix_label_maps
from .mix import Mix
from .mixed_boxes import MixedBoxes, mix_boxes
from .mixer import Mixer
from .part import Part
from .roles import Guide, Keep, Labels, Partners, Permutation
from .sources import Layer, Sources, trace

__all__ = [
    'BoxMixer',
    'Built',
    'Eraser',
    'Guide',
    'GuidedMixer',
    'Keep',
    'Labels',
    'Layer',
    'Mix',
    'MixedBoxes',
    'Mixer',
    'Part',
    'Partners',
    'Permutation',
    'Preserving',
    'RatiolessMixer',
    'Sources',
    'TokenGuidedMixer',
    'WholeMixer',
    'check',
    'mix_boxes',
    'mix_detection',
    'mix_label_maps',
    'trace',
]
