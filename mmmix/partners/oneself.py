"""Everybody is mixed with himself."""

import torch
from torch import Tensor

from ..core.roles import Partners


class Oneself(Partners):
    """Each image is its own partner: what is pasted is a copy of it, and the label stays.

    For mixers that change what they paste: :class:`CutThumbnail` puts a thumbnail of the image on it, the form of
    `Cut-Thumbnail <https://arxiv.org/abs/2103.05342>`_ that does not mix.

    Example:
        >>> import torch
        >>> from mmmix import CutThumbnail, Oneself
        >>> images, scores = CutThumbnail(partners=Oneself())(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((scores == torch.eye(4)).all())
        True
    """

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch, row by row."""
        return images, scores, torch.arange(len(images), device=images.device)
