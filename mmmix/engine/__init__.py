"""Hooks, and the memory that they keep."""

from .. import family as family
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
    'MixVisualizationHook',
    'PredictionMemoryHook',
    'PredictionTable',
    'RandomStateHook',
    'SafeCheckpointHook',
    'TeacherHook',
]
