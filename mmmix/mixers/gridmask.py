"""GridMask."""

import torch
from torch import Tensor

from ..core.fields import number, span, state, whole
from ..core.host import host
from ..core.kinds import Filling
from ..ops.masks import grid_mask


class GridMask(Filling):
    r"""GridMask: a turned grid of squares is erased from each image.

    `GridMask Data Augmentation <https://arxiv.org/abs/2001.04086>`_. In units of ``d`` pixels, ``d`` uniform in
    ``d_range``, a stripe of ``ceil(ratio * d)`` rows and one of as many columns stay, and the square between them is
    erased; offset and angle of the grid are uniform. The label stays.

    Deviations from the authors' code: the grid is computed at every pixel, not drawn and turned as a picture, so that
    it is exact up to the border at any angle, also for images that are not square; angles are real numbers, not whole
    degrees; the upper end of ``d_range`` is included.

    Raises:
        ValueError: If an argument is out of range.
        RuntimeError: If there is a ramp and nobody tells the epoch.

    Example:
        >>> import torch
        >>> from mmmix import GridMask
        >>> images, scores = GridMask(d_range=(4, 6))(torch.ones(4, 3, 12, 8), torch.eye(4))
        >>> bool((images == 0).any() & (images == 1).any())
        True
    """

    d_range: tuple[int, int] | None = span(
        default=None,
        least=2,
        whole=True,
        optional=True,
        none='(96, 224) in proportion to the shorter side',
        like=(96, 224),
        doc='Least and largest unit in pixels, e.g. (96, 224) for images of 224 pixels.',
    )
    ratio: float = number(
        default=0.6,
        least=0,
        below=1,
        doc="Which part of a unit stays, along each side; 0.6 is the paper's on ImageNet.",
    )
    rotate: float = number(default=360.0, least=0, most=360, doc='The angle is uniform in ``[0, rotate)`` degrees.')
    ramp_epochs: int | None = whole(
        default=None,
        least=1,
        optional=True,
        none='no ramp',
        like=240,
        doc='The probability grows linearly to ``prob`` over so many epochs; the authors use 240 of 300. The epoch is '
        "MMEngine's; in a loop of your own, set ``mixer.epoch``.",
    )
    #: The current epoch, for loops that are not MMEngine's.
    epoch: int | None = state()

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One grid for each image; ``other`` is the fill."""
        n, (height, width) = len(own), own.shape[-2:]
        short = min(height, width)
        low, high = self.d_range or (max(2, round(short * 96 / 224)), max(2, short))
        unit = low + (torch.rand(n, device=own.device) * (high + 1 - low)).floor().clamp(max=high - low)
        stripe = (unit.double() * self.ratio).ceil().float()
        shift_y, shift_x = (torch.rand(2, n, device=own.device) * unit).floor()
        angle = torch.rand(n, device=own.device) * (self.rotate * torch.pi / 180)
        mask = grid_mask(height, width, unit, stripe, shift_y, shift_x, angle)
        return mask | (share == 1)[:, None, None, None], self.filling(own)

    def chance(self) -> float:
        """``prob``, or as much of it as the ramp has reached."""
        return self.prob * self.ramp()

    def ramp(self) -> float:
        """Which part of ``prob`` has been reached."""
        if self.ramp_epochs is None:
            return 1.0
        epoch = self.epoch if self.epoch is not None else host().epoch()
        if epoch is None:
            raise RuntimeError(
                'GridMask: `ramp_epochs` needs to know the epoch: train with an MMEngine runner, or set `mixer.epoch` '
                'at the start of each epoch.'
            )
        return min(1.0, epoch / self.ramp_epochs)
