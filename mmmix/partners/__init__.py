"""Who is mixed in: policies that choose a partner for every image of a batch."""

from ..core.roles import Partners, Permutation
from .flip import Flip
from .hard_sample_table import HardSampleTable
from .hardpool import HardPool
from .history import History
from .near_labels import NearLabels
from .oneself import Oneself
from .roll import Roll
from .saliency_cycle import SaliencyCycle

__all__ = [
    'Flip',
    'HardPool',
    'HardSampleTable',
    'History',
    'NearLabels',
    'Oneself',
    'Partners',
    'Permutation',
    'Roll',
    'SaliencyCycle',
]
