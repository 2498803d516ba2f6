"""Mosaic."""

import torch
from torch import Tensor

from ..core.collage import Quarters
from ..core.fields import settled, span
from ..ops.boxes import Box
from ..ops.pixels import take_rows
from ..ops.resample import resample


class Mosaic(Quarters):
    r"""Mosaic: four whole images, each squeezed into its quarter of one; the label is that of all four by area.

    The augmentation of `YOLOv4 <https://arxiv.org/abs/2004.10934>`_ for object detection, as one for classification:
    where :class:`RICAP` crops, each image is shown whole. The point where the four meet is uniform in ``centre``.

    ``Mix.scores`` is the whole mixture, ``Mix.lam`` the share of the own image and ``Mix.partner`` the strongest other
    one. The paper has boxes and no label of the image; the label by area is our reading.

    Example:
        >>> import torch
        >>> from mmmix import Mosaic
        >>> mix = Mosaic(centre=(0.5, 0.5)).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam >= 0.25).all())
        True
    """

    centre: tuple[float, float] = span(
        default=(0.25, 0.75), least=0, most=1, doc='The range of where the four meet, along each side.'
    )
    alpha: float = settled(default=1.0)

    def crossing(self, count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Uniform shares of both sides, rounded to pixels."""
        low, high = self.centre
        down, across = low + (high - low) * torch.rand(2, count, device=device)
        return (down * height).round().long(), (across * width).round().long()

    def fitted(self, images: Tensor, rows: Tensor, box: Box) -> Tensor:
        """The whole image, resized into the box."""
        zero = torch.zeros_like(box[0])
        whole = zero, zero + images.shape[2], zero, zero + images.shape[3]
        return resample(take_rows(images, rows), whole, box)
