"""Where a partner is mixed in: one file per method."""

from .adautomix import AdAutoMix
from .alignmix import AlignMix
from .attentivemix import AttentiveMix
from .automix import AutoMix
from .comixup import CoMixup
from .cutmix import CutMix
from .cutout import Cutout
from .cutthumbnail import CutThumbnail
from .fmix import FMix
from .gridholes import GridHoles
from .gridmask import GridMask
from .gridmix import GridMix
from .guidedmixup import GuidedMixup
from .hardmix import HardMix
from .keep_paste import KeepPaste
from .keep_presets import KeepCutMix, KeepCutout, KeepRandomErasing
from .manifoldmix import ManifoldMix
from .maskmix import MaskMix
from .mergemix import MergeMix
from .mixpro import MixPro
from .mixstyle import MixStyle
from .mixup import Mixup
from .moex import MoEx
from .mosaic import Mosaic
from .puzzlemix import PuzzleMix
from .random_erasing import RandomErasing
from .recursivemix import RecursiveMix
from .regmixup import RegMixup
from .resizemix import ResizeMix
from .ricap import RICAP
from .saliencygrafting import SaliencyGrafting
from .saliencymix import SaliencyMix
from .samix import SAMix
from .smmix import SMMix
from .smoothmix import SmoothMix
from .snapmix import SnapMix
from .stackmix import StackMix
from .timm_mixup import TimmMixup
from .tokenmix import TokenMix

__all__ = [
    'RICAP',
    'AdAutoMix',
    'AlignMix',
    'AttentiveMix',
    'AutoMix',
    'CoMixup',
    'CutMix',
    'CutThumbnail',
    'Cutout',
    'FMix',
    'GridHoles',
    'GridMask',
    'GridMix',
    'GuidedMixup',
    'HardMix',
    'KeepCutMix',
    'KeepCutout',
    'KeepPaste',
    'KeepRandomErasing',
    'ManifoldMix',
    'MaskMix',
    'MergeMix',
    'MixPro',
    'MixStyle',
    'Mixup',
    'MoEx',
    'Mosaic',
    'PuzzleMix',
    'RandomErasing',
    'RecursiveMix',
    'RegMixup',
    'ResizeMix',
    'SAMix',
    'SMMix',
    'SaliencyGrafting',
    'SaliencyMix',
    'SmoothMix',
    'SnapMix',
    'StackMix',
    'TimmMixup',
    'TokenMix',
]
