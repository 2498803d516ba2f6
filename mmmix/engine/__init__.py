"""Hooks, and the memory that they keep."""

from .hard_sample_table import HardSampleTable
from .hooks import HardSampleHook

__all__ = ['HardSampleHook', 'HardSampleTable']
