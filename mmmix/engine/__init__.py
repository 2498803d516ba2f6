"""Hooks, and the memory that they keep."""

from .hard_sample_table import HardSampleTable
from .hooks import (
    HardSampleHook,
    MixVisualizationHook,
    PredictionMemoryHook,
    RandomStateHook,
    SafeCheckpointHook,
    TeacherHook,
)
from .optim_wrapper import AutocastOptimWrapper
from .prediction_table import PredictionTable

__all__ = [
    'AutocastOptimWrapper',
    'HardSampleHook',
    'HardSampleTable',
    'MixVisualizationHook',
    'PredictionMemoryHook',
    'PredictionTable',
    'RandomStateHook',
    'SafeCheckpointHook',
    'TeacherHook',
]
