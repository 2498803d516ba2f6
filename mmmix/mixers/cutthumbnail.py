"""Cut-Thumbnail."""

import torch
from torch import Tensor

from ..core import WholeMixer
from ..core.fields import number, settled
from ..ops.boxes import Box, Side, area_size
from ..ops.draws import random_index


class CutThumbnail(WholeMixer):
    r"""Cut-Thumbnail: a thumbnail of the partner, always of one size, is pasted anywhere inside the own image.

    `Cut-Thumbnail: A Novel Data Augmentation for Convolutional Neural Network <https://arxiv.org/abs/2103.05342>`_, in
    its form that mixes. The label follows the area, a quarter of the partner's with the default ``size``. With
    ``partners=dict(type='mmmix.Oneself')`` it is the form that does not: a thumbnail of the image itself, whose label
    stays.

    The code is not public: the place is uniform among those that show the whole thumbnail, and the label by area is
    our reading.

    Example:
        >>> import torch
        >>> from mmmix import CutThumbnail
        >>> CutThumbnail().mix(torch.rand(4, 3, 8, 8), torch.eye(4)).lam
        tensor([0.7500, 0.7500, 0.7500, 0.7500])
    """

    size: float = number(
        default=0.5, above=0, most=1, doc="Sides of the thumbnail as a fraction of the image's, rounded down."
    )
    alpha: float = settled(default=1.0)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """What the thumbnail leaves."""
        return torch.full((count,), 1 - self.size**2, device=device)

    def boxes(self, share: Tensor | float, height: int, width: int) -> Box:
        """Boxes anywhere inside the image."""
        # A share that was a square in float32 must not lose a pixel to rounding.
        high, wide = area_size(share, height, width, 1e-4)
        top, left = (_first(size - side + 1) for size, side in ((height, high), (width, wide)))
        return top, top + high, left, left + wide


def _first(places: Side) -> Side:
    """One of so many places, on the device or on the host."""
    if isinstance(places, Tensor):
        return random_index(places, len(places), places.device)
    return int(torch.randint(places, ()))
