"""Pictures of what mixers do."""

from .draw_mix import draw_mix, to_pixels

__all__ = ['draw_mix', 'to_pixels']
