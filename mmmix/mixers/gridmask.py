"""GridMask."""

from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor

from ..registry import BATCH_AUGMENTS
from .cutout import Eraser

_EPOCH_HELP = 'train with an MMEngine runner, or set `mixer.epoch` at the start of each epoch'


@BATCH_AUGMENTS.register_module()
class GridMask(Eraser):
    r"""GridMask: a turned grid of squares is erased from each image.

    `GridMask Data Augmentation <https://arxiv.org/abs/2001.04086>`_. In units of ``d`` pixels, ``d`` uniform in
    ``d_range``, a stripe of ``round(ratio * d)`` rows and one of as many columns stay, and the square between them is
    erased; offset and angle of the grid are uniform. The label stays.

    Deviations from the authors' code: the grid is computed at every pixel, not drawn and turned as a picture, so that
    it is exact up to the border at any angle, also for images that are not square; angles are real numbers, not whole
    degrees; the upper end of ``d_range`` is included.

    Args:
        d_range (Sequence[int], optional): Least and largest unit in pixels, e.g. (96, 224) for images of 224 pixels.
            Defaults to None: that, in proportion to the shorter side.
        ratio (float): Which part of a unit stays, along each side, in [0, 1). Defaults to 0.6, the paper's on ImageNet.
        rotate (float): The angle is uniform in ``[0, rotate)`` degrees. Defaults to 360.
        ramp_epochs (int, optional): The probability grows linearly to ``prob`` over so many epochs; the authors use 240
            of 300. The epoch is MMEngine's; in a loop of your own, set ``mixer.epoch``. Defaults to None, no ramp.
        fill (float | str): What is put in: a number for all channels, or ``'random'`` for standard normal noise.
            Defaults to 0.0.
        prob (float): Probability of erasing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``. The
            authors use 0.8 with a ramp. Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; every image has its own grid
            with both. Defaults to ``'elem'``.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

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

    cuts = False
    #: The current epoch, for loops that are not MMEngine's.
    epoch: int | None = None

    def __init__(
        self,
        d_range: Sequence[int] | None = None,
        ratio: float = 0.6,
        rotate: float = 360,
        ramp_epochs: int | None = None,
        fill: float | str = 0.0,
        prob: float = 1.0,
        lam_mode: str = 'elem',
        check_finite: bool = False,
    ):
        super().__init__(fill, prob, lam_mode, None, check_finite)
        if d_range is not None and (
            len(d_range) != 2 or not all(isinstance(d, int) for d in d_range) or not 2 <= d_range[0] <= d_range[1]
        ):
            raise ValueError(
                f'GridMask: `d_range` must be two numbers of pixels from 2 up, e.g. (96, 224), but got {d_range!r}.'
            )
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 <= ratio < 1:
            raise ValueError(f'GridMask: `ratio` must lie in [0, 1), e.g. 0.6, but got {ratio!r}.')
        if isinstance(rotate, bool) or not isinstance(rotate, (int, float)) or not 0 <= rotate <= 360:
            raise ValueError(f'GridMask: `rotate` must lie in [0, 360], 0 for an upright grid, but got {rotate!r}.')
        if ramp_epochs is not None and (not isinstance(ramp_epochs, int) or ramp_epochs < 1):
            raise ValueError(
                f'GridMask: `ramp_epochs` must be a positive number of epochs or None, but got {ramp_epochs!r}.'
            )
        self.d_range = None if d_range is None else (d_range[0], d_range[1])
        self.ratio = float(ratio)
        self.rotate = float(rotate)
        self.ramp_epochs = ramp_epochs

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One grid for each image; ``other`` is the fill."""
        n, (height, width) = len(own), own.shape[-2:]
        short = min(height, width)
        low, high = self.d_range or (max(2, round(short * 96 / 224)), max(2, short))
        unit = low + (torch.rand(n, device=own.device) * (high + 1 - low)).floor().clamp(max=high - low)
        stripe = (unit * self.ratio + 0.5).floor()
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
        epoch = self.epoch if self.epoch is not None else MessageHub.get_current_instance().get_info('epoch')
        if epoch is None:
            raise RuntimeError(f'GridMask: `ramp_epochs` needs to know the epoch: {_EPOCH_HELP}.')
        return min(1.0, epoch / self.ramp_epochs)


def grid_mask(
    height: int, width: int, unit: Tensor, stripe: Tensor, shift_y: Tensor, shift_x: Tensor, angle: Tensor
) -> Tensor:
    """Where a turned grid leaves images alone.

    Args:
        height (int): Image height.
        width (int): Image width.
        unit (Tensor): ``(N,)`` unit of the grid in pixels.
        stripe (Tensor): ``(N,)`` rows and columns of each unit that stay.
        shift_y (Tensor): ``(N,)`` offset of the grid.
        shift_x (Tensor): ``(N,)`` offset of the grid.
        angle (Tensor): ``(N,)`` radians around the centre of the image.

    Returns:
        Tensor: ``(N, 1, H, W)``, bool, True where a pixel stays.
    """
    unit, stripe, shift_y, shift_x, angle = (t[:, None, None] for t in (unit, stripe, shift_y, shift_x, angle))
    y = torch.arange(height, device=unit.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=unit.device) - (width - 1) / 2
    # Turned around the centre, and counted from the upper left corner again.
    row = (y * angle.cos() - x * angle.sin() + (height - 1) / 2).round() - shift_y
    column = (y * angle.sin() + x * angle.cos() + (width - 1) / 2).round() - shift_x
    return ((row.remainder(unit) < stripe) | (column.remainder(unit) < stripe))[:, None]
