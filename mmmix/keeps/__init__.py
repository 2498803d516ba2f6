"""Where a box may fall, given what is important in an image."""

from ..core.roles import Keep
from .quantile import Choice, QuantileKeep, choices_of
from .selective_cut import SelectiveCut
from .selective_paste import SelectivePaste

__all__ = ['Choice', 'Keep', 'QuantileKeep', 'SelectiveCut', 'SelectivePaste', 'choices_of']
