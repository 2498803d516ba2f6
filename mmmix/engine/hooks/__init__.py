"""Hooks for MMEngine's runner."""

from .hard_sample_hook import HardSampleHook
from .mix_visualization_hook import MixVisualizationHook
from .prediction_memory_hook import PredictionMemoryHook
from .random_state_hook import RandomStateHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .teacher_hook import TeacherHook

__all__ = [
    'HardSampleHook',
    'MixVisualizationHook',
    'PredictionMemoryHook',
    'RandomStateHook',
    'SafeCheckpointHook',
    'TeacherHook',
]
