"""The batch moved on."""

import torch
from torch import Tensor

from ..core.fields import whole
from ..core.roles import Partners


class Roll(Partners):
    """The batch moved on: each image meets the one before it, the first one the last, as in torchvision.

    Nothing is drawn, so batches must be shuffled. With ``shift=1`` nobody meets itself in a batch of two and more.

    Example:
        >>> import torch
        >>> from mmmix import Roll
        >>> Roll()(torch.rand(4, 3, 8, 8), torch.eye(4))[2].tolist()
        [3, 0, 1, 2]
    """

    shift: int = whole(default=1, least=1, doc='How many places before an image its partner lies.')

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch is the pool, and its rows are moved on."""
        rows = torch.arange(len(images), device=images.device)
        return images, scores, (rows - self.shift) % len(images)
