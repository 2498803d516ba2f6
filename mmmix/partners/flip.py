"""The batch backwards."""

import torch
from torch import Tensor

from ..core.roles import Partners


class Flip(Partners):
    """The batch backwards: the first image meets the last one, the second the last but one, as in timm.

    Nothing is drawn, so batches must be shuffled. Those who meet do so mutually; the middle one of an odd batch meets
    itself.

    Example:
        >>> import torch
        >>> from mmmix import Flip
        >>> Flip()(torch.rand(4, 3, 8, 8), torch.eye(4))[2].tolist()
        [3, 2, 1, 0]
    """

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch is the pool, and its rows come backwards."""
        return images, scores, torch.arange(len(images) - 1, -1, -1, device=images.device)
