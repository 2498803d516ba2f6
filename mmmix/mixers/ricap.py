"""RICAP."""

import torch
from torch import Tensor

from ..core.collage import Quarters
from ..core.fields import again
from ..ops.boxes import Box
from ..ops.draws import beta, random_index


class RICAP(Quarters):
    r"""RICAP: four images, each cropped at random, are patched into one; the label is that of all four by area.

    `Data Augmentation using Random Image Cropping and Patching for Deep CNNs <https://arxiv.org/abs/1811.09030>`_. The
    point where the four meet lies at Beta(alpha, alpha) of the height and of the width; the crop of each is as large as
    its quarter and lies anywhere in its image.

    ``Mix.scores`` is the whole mixture, ``Mix.lam`` the share of the own image and ``Mix.partner`` the strongest other
    one.

    Deviation from the authors' code: the own image is always at the top left, so that it is in its own mix; theirs has
    a permutation of the batch there too, which changes nothing but the order of the batch. ``lam_mode='elem'`` draws
    point and crops for each image, which is the paper's ``anywhere`` for each of them.

    Example:
        >>> import torch
        >>> from mmmix import RICAP
        >>> mix = RICAP().mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> mix.scores.sum(1)
        tensor([1., 1., 1., 1.])
    """

    alpha: float = again(
        default=0.3, doc='Parameter of the Beta(alpha, alpha) distribution of where the four meet, along each side.'
    )

    @property
    def picks(self) -> bool:
        """Crops are patched together as they are."""
        return True

    def crossing(self, count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Beta shares of both sides, rounded to pixels."""
        down, across = (beta(self.alpha, count, device) for _ in range(2))
        return (down * height).round().long(), (across * width).round().long()

    def fitted(self, images: Tensor, rows: Tensor, box: Box) -> Tensor:
        """A crop of the size of the box from anywhere in the image, moved to the box."""
        top, bottom, left, right = box
        height, width = images.shape[-2:]
        down = random_index(height - (bottom - top) + 1, len(top), images.device) - top
        across = random_index(width - (right - left) + 1, len(top), images.device) - left
        y = (torch.arange(height, device=images.device) + down[:, None]).clamp(0, height - 1)
        x = (torch.arange(width, device=images.device) + across[:, None]).clamp(0, width - 1)
        return images[rows[:, None, None], :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
