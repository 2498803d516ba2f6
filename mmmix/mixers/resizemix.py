"""ResizeMix."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..draws import beta
from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .boxes import Box, area_size, box_mask, centred, clipped, random_centre
from .mix import Mixer
from .pixels import paste, take_rows
from .resample import resample, resize


class PastedWhole(Mixer):
    """Base of mixers that resize the whole partner and paste it into a box of the own image.

    A subclass overrides :meth:`sample_share`, and sets whether a box at the border cuts the resized partner off or
    squeezes it.
    """

    #: Whether a box that sticks out of the image cuts the partner off, or else squeezes it into what is left.
    crops = True
    interpolation = 'bilinear'

    def boxes(self, share: Tensor | float, height: int, width: int) -> Box:
        """Boxes with a uniform centre, not clipped, as many as shares; one box on the host for a number."""
        # A share that was a square in float32 must not lose a pixel to rounding.
        return centred(*random_centre(share, height, width), *area_size(share, height, width, 1e-4))

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of each image's box, and the partners resized so that they fit there."""
        height, width = own.shape[-2:]
        box = self.boxes(share, height, width)
        visible = clipped(box, height, width)
        zeros = torch.zeros_like(box[0])
        whole = zeros, zeros + height, zeros, zeros + width
        return box_mask(visible, height, width), resample(
            other, whole, box if self.crops else visible, self.interpolation
        )

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for the whole batch is resized and pasted as a slice; boxes that differ are the general case."""
        if share.numel() > 1 or self.lam_mode == 'elem':
            return super().blend(images, pool, partner, share)
        height, width = images.shape[-2:]
        box = self.boxes(float(share), height, width)
        top, bottom, left, right = visible = clipped(box, height, width)
        if bottom <= top or right <= left:
            return paste(images, (0, 0, 0, 0), pool[..., :0, :0], partner)
        y, beyond_y, x, beyond_x = box if self.crops else visible
        # A pool no larger than the batch is resized as it lies, which saves gathering it first.
        if len(pool) > len(images):
            pool, partner = take_rows(pool, partner), torch.arange(len(images), device=images.device)
        small = resize(pool, beyond_y - y, beyond_x - x, self.interpolation)
        return paste(images, visible, small[..., top - y : bottom - y, left - x : right - x], partner)


@BATCH_AUGMENTS.register_module()
class ResizeMix(PastedWhole):
    r"""ResizeMix: the whole partner is made smaller and pasted somewhere, so that no part of it is missing.

    `ResizeMix: Mixing Data with Preserved Object Information and True Labels <https://arxiv.org/abs/2012.11101>`_. The
    partner is resized to ``tau`` times the height and the width, ``tau`` uniform in ``scope``, and pasted with a
    uniform centre. At the border it is cut off, not squeezed, and the labels follow the area that is left.

    Deviations from the authors' code: they place the box inside the image, always whole; here its centre is uniform, as
    in CutMix. They draw a place for each image and one ``tau`` for the batch; here ``'batch'`` draws one of both and
    ``'elem'`` one of both for each image. They resize with ``'nearest'``; mmpretrain's ResizeMix, ours too, defaults to
    ``'bilinear'``. Neither filters before it makes images smaller, and neither does this.

    Args:
        scope (Sequence[float]): The range of ``tau``, in (0, 1]. Defaults to (0.1, 0.8).
        alpha (float, optional): If given, ``tau`` follows Beta(alpha, alpha), and draws outside ``scope`` are replaced
            by uniform ones, as in OpenMixup's ``use_alpha``. Defaults to None, uniform.
        interpolation (str): ``'bilinear'`` or ``'nearest'``. Defaults to ``'bilinear'``.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one size and place a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import ResizeMix
        >>> mix = ResizeMix(scope=(0.5, 0.5)).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam_partner <= 0.25).all())
        True
    """

    def __init__(
        self,
        scope: Sequence[float] = (0.1, 0.8),
        alpha: float | None = None,
        interpolation: str = 'bilinear',
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            1.0 if alpha is None else alpha,
            prob=prob,
            lam_mode=lam_mode,
            partners=partners,
            labels=labels,
            check_finite=check_finite,
        )
        self.scope = check_scope(scope, 'scope', 'ResizeMix', above_zero=True)
        if interpolation not in ('bilinear', 'nearest'):
            raise ValueError(f"ResizeMix: `interpolation` must be 'bilinear' or 'nearest', but got {interpolation!r}.")
        self.interpolation = interpolation
        self.uniform = alpha is None

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """``1 - tau ** 2``."""
        low, high = self.scope
        tau = low + (high - low) * torch.rand(count, device=device)
        if not self.uniform:
            drawn = beta(self.alpha, count, device)
            tau = torch.where((drawn >= low) & (drawn <= high), drawn, tau)
        return 1 - tau**2


def check_scope(scope: Sequence[float], argument: str, name: str, above_zero: bool = False) -> tuple[float, float]:
    """A range of shares, as two floats.

    Args:
        scope (Sequence[float]): What the user gave.
        argument (str): Its name, for the error.
        name (str): The mixer, for the error.
        above_zero (bool): Whether the range must leave 0 out. Defaults to False.

    Raises:
        ValueError: If it is no range in [0, 1].
    """
    pair = tuple(scope) if isinstance(scope, (tuple, list)) else ()
    if (
        len(pair) != 2
        or not all(isinstance(end, (int, float)) for end in pair)
        or not 0 <= pair[0] <= pair[1] <= 1
        or (above_zero and pair[0] == 0)
    ):
        raise ValueError(
            f'{name}: `{argument}` must be a range in {"(" if above_zero else "["}0, 1], e.g. '
            f'{argument}=(0.1, 0.8), but got {scope!r}.'
        )
    return float(pair[0]), float(pair[1])
