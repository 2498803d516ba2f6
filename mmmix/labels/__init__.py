"""How much of each label: policies that turn a mask, a guide or the model's view into the two label shares."""

from ..core.roles import Labels
from .area import Area
from .attention import AttentionLabels
from .drawn_share import DrawnShare
from .lumix import LUMix
from .progressive import ProgressiveAttention
from .sumix import sumix_terms, unit_softmax
from .tlalign import TLAlign
from .transmix import TransMix

__all__ = [
    'Area',
    'AttentionLabels',
    'DrawnShare',
    'LUMix',
    'Labels',
    'ProgressiveAttention',
    'TLAlign',
    'TransMix',
    'sumix_terms',
    'unit_softmax',
]
