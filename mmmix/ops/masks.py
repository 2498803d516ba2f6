"""Masks drawn at random: low frequencies, the largest values, blocks of tokens, turned grids."""

import math

import torch
from torch import Tensor

from .blocks import in_blocks
from .order import kth_smallest


def low_frequency_field(count: int, height: int, width: int, decay_power: float, device: torch.device) -> Tensor:
    """Random images with the spectrum ``1 / f ** decay_power``: ``(count, H, W)``, float32."""
    fy = torch.fft.fftfreq(height, device=device)[:, None]
    fx = torch.fft.rfftfreq(width, device=device)
    frequency = (fy**2 + fx**2).sqrt().clamp_(min=1 / max(height, width))
    power = frequency**-decay_power
    # These columns are their own mirror image and lose half their power to it, which would favour horizontal changes.
    power[:, 0] *= 2**0.5
    if width % 2 == 0:
        power[:, -1] *= 2**0.5

    def images(noise: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.view_as_complex(noise) * power, s=(height, width))

    return in_blocks(images, torch.randn(count, height, width // 2 + 1, 2, device=device))


def two_columns_field(count: int, height: int, width: int, decay_power: float, device: torch.device) -> Tensor:
    """Random images with two frequencies from left to right, as FMix's code makes them: ``(count, H, W)``, float32.

    Of the horizontal frequencies 0 and 1 each vertical frequency has a real part with the spectrum of ``k / W`` and an
    imaginary one with that of ``hypot(k / W, 1 / H)``, ``k`` from 0 to half of ``W``.
    """
    along = torch.fft.fftfreq(width, device=device)[: width // 2 + 1 + width % 2].abs()
    parts = torch.stack([along, (along**2 + 1 / height**2).sqrt()], 1).clamp_(min=1 / max(height, width))
    noise = torch.randn(count, len(along), 2, 2, device=device) / parts[:, None] ** decay_power
    columns = torch.fft.ifft(torch.view_as_complex(noise), n=height, dim=1)
    return torch.fft.irfft(columns, n=width, dim=2)


def top_share(values: Tensor, share: Tensor, max_soft: float = 0.0) -> Tensor:
    """A mask of the largest values of each row.

    Args:
        values (Tensor): ``(N, P)``.
        share (Tensor): ``(N,)`` which part of each row.
        max_soft (float): Half the width of the soft edge as a fraction of ``P``. Defaults to 0.0.

    Returns:
        Tensor: ``(N, P)``: bool, whose number of True is floor or ceil of ``share * P``, by a toss; with ``max_soft``
        float32, whose sum is that number.
    """
    rows, pixels = values.shape
    exact = share.double()[:, None] * pixels
    count = torch.where(torch.rand(rows, 1, device=values.device) < 0.5, exact.floor(), exact.ceil())
    rank = torch.arange(pixels, device=values.device)
    if max_soft == 0:
        return in_blocks(_largest, values, count)
    # A soft edge ramps over ranks, so that the sum of the mask is that of the hard one.
    soft = (torch.minimum(share, 1 - share).clamp(max=max_soft).double()[:, None] * pixels).floor()
    soft = torch.minimum(soft, torch.minimum(count, pixels - count))
    ramp = (1 - (rank - (count - soft)) / (2 * soft - 1).clamp(min=1)).clamp(0, 1)
    ramp = torch.where(soft > 0, ramp, (rank < count).double())
    return torch.zeros_like(values).scatter_(1, values.argsort(1, descending=True), ramp.to(values.dtype))


def _largest(values: Tensor, count: Tensor) -> Tensor:
    """Which are the ``count`` largest values of each row, bool; of equal ones the first."""
    pixels = values.shape[1]
    threshold = kth_smallest(values, (pixels + 1 - count).clamp(max=pixels)).masked_fill_(count == 0, float('inf'))
    above, level = values > threshold, values == threshold
    missing = count - above.count_nonzero(1)[:, None]
    return above.logical_or_(level & (level.cumsum(1, dtype=torch.int32) <= missing))


#: Attempts at a block, after which fewer tokens than wanted are mixed. The label follows what was mixed.
_ATTEMPTS = 30


def token_blocks(share: Tensor, rows: int, columns: int, min_tokens: int, ratio: float) -> Tensor:
    """Grids of tokens from which blocks are taken until ``1 - share`` of the tokens are gone.

    Args:
        share (Tensor): ``(N,)`` shares that stay.
        rows (int): Rows of tokens.
        columns (int): Columns of tokens.
        min_tokens (int): The least number of tokens in a block, as long as so many are wanted.
        ratio (float): The smallest height / width of a block.

    Returns:
        Tensor: ``(N, rows, columns)``, bool, False in the blocks. Never more tokens are gone than wanted.
    """
    n, device = len(share), share.device
    drawn = torch.rand(_ATTEMPTS, 4, n, device=device, dtype=torch.float64)
    # Heights and widths, stacked, of blocks of area 1, and the sizes of the grid.
    stretch = ((2 * drawn[:, 1] - 1) * (-math.log(ratio) / 2)).exp()
    stretch = torch.stack([stretch, 1 / stretch], 1)
    limits = torch.cat([drawn.new_full((1, 1), rows), drawn.new_full((1, 1), columns)])
    place = torch.arange(max(rows, columns), device=device)
    missing = ((1 - share.double()) * rows * columns + 1e-6).floor()
    kept = torch.ones(n, rows, columns, dtype=torch.bool, device=device)
    for attempt in range(_ATTEMPTS):
        area = torch.lerp(missing.clamp(max=min_tokens), missing, drawn[attempt, 0])
        sides = torch.minimum((area.sqrt_() * stretch[attempt]).round_(), limits)
        first = (drawn[attempt, 2:] * (limits + 1 - sides)).floor_()
        inside = (place >= first[..., None]).logical_and_(place < (first + sides)[..., None])
        block = inside[0, :, :rows, None] & inside[1, :, None, :columns]
        count = block.logical_and_(kept).sum((1, 2))
        fits = count <= missing
        kept.logical_xor_(block.logical_and_(fits[:, None, None]))
        missing = missing - count * fits
    return kept


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


def with_mean(mask: Tensor, share: Tensor) -> Tensor:
    """Masks rescaled so that their means are the shares: downwards towards 0, upwards towards 1.

    Args:
        mask (Tensor): ``(N, 1, H, W)`` own shares in [0, 1].
        share (Tensor): ``(N,)`` in [0, 1].

    Returns:
        Tensor: ``(N, 1, H, W)``, in [0, 1].
    """
    share, mean = share[:, None, None, None], mask.mean((1, 2, 3), keepdim=True)
    least = torch.finfo(mask.dtype).tiny
    lower, upper = mask * (share / mean.clamp(min=least)), 1 - (1 - mask) * ((1 - share) / (1 - mean).clamp(min=least))
    return torch.where(mean > share, lower, upper)
