"""Hooks for MMEngine's runner."""

from .hard_sample_hook import HardSampleHook

__all__ = ['HardSampleHook']
