"""Hooks for MMEngine's runner."""

from .hard_sample_hook import HardSampleHook
from .mix_visualization_hook import MixVisualizationHook

__all__ = ['HardSampleHook', 'MixVisualizationHook']
