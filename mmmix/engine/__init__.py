"""Hooks, and the memory that they keep."""

from .hard_sample_table import HardSampleTable
from .hooks import HardSampleHook, MixVisualizationHook, RandomStateHook, SafeCheckpointHook
from .optim_wrapper import AutocastOptimWrapper

__all__ = [
    'AutocastOptimWrapper',
    'HardSampleHook',
    'HardSampleTable',
    'MixVisualizationHook',
    'RandomStateHook',
    'SafeCheckpointHook',
]
