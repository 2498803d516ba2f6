"""FMix."""

import torch
from torch import Tensor

from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mix import Mixer


@BATCH_AUGMENTS.register_module()
class FMix(Mixer):
    r"""FMix: the mask is a random low-frequency image, cut at the height that gives the drawn share.

    `FMix: Enhancing Mixed Sample Data Augmentation <https://arxiv.org/abs/2002.12047>`_. Complex Gaussian noise on the
    grid of frequencies is divided by ``max(f, 1 / max(H, W)) ** decay_power`` and transformed back; the highest floor
    or ceil (tossed) of ``share * H * W`` pixels are the own image's. The labels are the mean of the mask.

    Deviations from the authors' code: all directions have the same power, as in the paper, which takes the real part of
    the full transform (their real transform halves that of purely vertical changes); any height and width; ``'elem'``
    draws one mask per sample; the transform runs on the images' device in float32. OpenMixup's copy shapes its
    frequencies wrongly and has almost no horizontal ones.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        decay_power (float): How fast high frequencies fade. Defaults to 3.0.
        max_soft (float): Half the width of the soft edge, as a fraction of all pixels, in [0, 0.5]; it shrinks where a
            share lies closer to 0 or 1. Defaults to 0.0, a hard edge.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one mask a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the mean of the mask.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import FMix
        >>> mix = FMix(lam_mode='elem').mix(torch.rand(4, 3, 9, 8), torch.eye(4))
        >>> bool(((mix.mask == 0) | (mix.mask == 1)).all())
        True
    """

    def __init__(
        self,
        alpha: float = 1.0,
        decay_power: float = 3.0,
        max_soft: float = 0.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        if (
            isinstance(decay_power, bool)
            or not isinstance(decay_power, (int, float))
            or not 0 <= decay_power < float('inf')
        ):
            raise ValueError(f'FMix: `decay_power` must be a number of at least 0, e.g. 3.0, but got {decay_power!r}.')
        if isinstance(max_soft, bool) or not isinstance(max_soft, (int, float)) or not 0 <= max_soft <= 0.5:
            raise ValueError(f'FMix: `max_soft` must lie in [0, 0.5], e.g. 0.1, but got {max_soft!r}.')
        self.decay_power = float(decay_power)
        self.max_soft = float(max_soft)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One mask for the batch with ``'batch'``, one for each image with ``'elem'``."""
        if self.lam_mode == 'batch':
            share = share[:1]
        height, width = own.shape[-2:]
        field = low_frequency_field(len(share), height, width, self.decay_power, own.device)
        mask = top_share(field.flatten(1), share, self.max_soft)
        return mask.view(-1, 1, height, width), other


def low_frequency_field(count: int, height: int, width: int, decay_power: float, device: torch.device) -> Tensor:
    """Random images with the spectrum ``1 / f ** decay_power``: ``(count, H, W)``, float32."""
    fy = torch.fft.fftfreq(height, device=device)[:, None]
    fx = torch.fft.rfftfreq(width, device=device)
    frequency = (fy**2 + fx**2).sqrt().clamp_(min=1 / max(height, width))
    noise = torch.randn(count, height, width // 2 + 1, 2, device=device) / frequency[..., None] ** decay_power
    # These columns are their own mirror image and lose half their power to it, which would favour horizontal changes.
    noise[:, :, 0] *= 2**0.5
    if width % 2 == 0:
        noise[:, :, -1] *= 2**0.5
    return torch.fft.irfft2(torch.view_as_complex(noise), s=(height, width))


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
        # Rows want values of different ranks, selection finds one rank for all: `count` low fillers in each row make up
        # the difference. It is several times faster than a sort.
        filler = torch.where(rank < count, -float('inf'), float('inf'))
        threshold = torch.cat([values, filler.to(values.dtype)], 1).kthvalue(pixels + 1, 1, keepdim=True).values
        above, level = values > threshold, values == threshold
        missing = count - above.count_nonzero(1)[:, None]
        return above.logical_or_(level & (level.cumsum(1, dtype=torch.int32) <= missing))
    # A soft edge ramps over ranks, so that the sum of the mask is that of the hard one.
    soft = (torch.minimum(share, 1 - share).clamp(max=max_soft).double()[:, None] * pixels).floor()
    soft = torch.minimum(soft, torch.minimum(count, pixels - count))
    ramp = (1 - (rank - (count - soft)) / (2 * soft - 1).clamp(min=1)).clamp(0, 1)
    ramp = torch.where(soft > 0, ramp, (rank < count).double())
    return torch.zeros_like(values).scatter_(1, values.argsort(1, descending=True), ramp.to(values.dtype))
