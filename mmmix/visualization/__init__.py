"""Pictures of what mixers do."""

from .. import family as family
from .cam import cam_maps, draw_cams
from .draw_mix import draw_mix, to_pixels

__all__ = ['cam_maps', 'draw_cams', 'draw_mix', 'to_pixels']
