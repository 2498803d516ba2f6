"""ResizeMix."""

import torch
from torch import Tensor

from ..core import WholeMixer
from ..core.fields import choice, flag, number, span
from ..ops.boxes import Box, Side
from ..ops.draws import beta
from .minmax import Minmax, inside_place, sides_between


class ResizeMix(Minmax, WholeMixer):
    r"""ResizeMix: the whole partner is made smaller and pasted somewhere, so that no part of it is missing.

    `ResizeMix: Mixing Data with Preserved Object Information and True Labels <https://arxiv.org/abs/2012.11101>`_. The
    partner is resized to ``tau`` times the height and the width, sides rounded down, ``tau`` uniform in ``scope``, and
    pasted around a uniform centre. A box that would stick out of the image is shifted inside, so that the whole partner
    shows, and the label is exactly 1 minus the area that was pasted. ``inside=False`` leaves the box where it fell: the
    border cuts the partner off, as it does CutMix's box.

    Deviations from the authors' code: they draw a place for each image and one ``tau`` for the batch; here ``'batch'``
    draws one of both and ``'elem'`` one of both for each image. They resize with ``'nearest'``; mmpretrain's ResizeMix,
    ours too, defaults to ``'bilinear'``. Neither filters before it makes images smaller, and neither does this.

    Example:
        >>> import torch
        >>> from mmmix import ResizeMix
        >>> mix = ResizeMix(scope=(0.5, 0.5)).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> mix.lam
        tensor([0.7500, 0.7500, 0.7500, 0.7500])
    """

    scope: tuple[float, float] = span(default=(0.1, 0.8), above=0, most=1, doc='The range of ``tau``.')
    alpha: float | None = number(  # type: ignore[assignment]
        default=None,
        above=0,
        optional=True,
        none='uniform',
        doc='If given, ``tau`` follows Beta(alpha, alpha), and draws outside ``scope`` are replaced by uniform ones, '
        "as in OpenMixup's ``use_alpha``; with ``lam_min`` or ``lam_max`` as said there.",
    )
    inside: bool = flag(
        default=True,
        doc='Whether a box that would stick out of the image is shifted inside; otherwise the border cuts it off.',
    )
    interpolation: str = choice('bilinear', 'nearest', default='bilinear', doc="``'bilinear'`` or ``'nearest'``.")
    lam_min: float | None = number(
        default=None,
        least=0,
        most=1,
        optional=True,
        none='by ``scope``',
        like=0.1,
        doc='If this or ``lam_max`` is given, the own share is Beta(alpha, alpha) brought into the range of both, as '
        'in mmpretrain, whose defaults are 0.1 and 0.8; alpha is then 1 unless given.',
    )
    lam_max: float | None = number(
        default=None, least=0, most=1, optional=True, none='by ``scope``', like=0.8, doc='See ``lam_min``.'
    )
    squeeze: bool = flag(
        default=False,
        doc='Whether the partner is resized into what is left of its box at the border, as in mmpretrain; then nothing '
        'is shifted or cut off, and the partner may lose its proportions.',
    )

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """``1 - tau ** 2``, or mmpretrain's law between ``lam_min`` and ``lam_max``."""
        if self.lam_min is not None or self.lam_max is not None:
            least, most = self.lam_range()
            return least + (most - least) * beta(self.alpha or 1.0, count, device)
        low, high = self.scope
        tau = low + (high - low) * torch.rand(count, device=device)
        if self.alpha is not None:
            drawn = beta(self.alpha, count, device)
            tau = torch.where((drawn >= low) & (drawn <= high), drawn, tau)
        return 1 - tau**2

    def __post_init__(self) -> None:
        """Two ranges that fit each other."""
        super().__post_init__()
        least, most = self.lam_range()
        if least > most:
            raise ValueError(f'ResizeMix: `lam_min` must be at most `lam_max`, but {least} is more than {most}.')

    def lam_range(self) -> tuple[float, float]:
        """``lam_min`` and ``lam_max``, with mmpretrain's default for the one that was not given."""
        return 0.1 if self.lam_min is None else self.lam_min, 0.8 if self.lam_max is None else self.lam_max

    def fitted(self, box: Box, visible: Box) -> Box:
        """The box that the whole partner is resized into; see :class:`WholeMixer`."""
        return visible if self.squeeze else box

    def boxes(self, share: Tensor | float, height: int, width: int) -> Box:
        """Boxes around a uniform centre, shifted inside the image unless they are to be cut off or squeezed."""
        if self.cutmix_minmax is not None:
            return inside_place(*sides_between(self.cutmix_minmax, share, height, width), height, width)
        top, bottom, left, right = super().boxes(share, height, width)
        if self.squeeze or not self.inside:
            return top, bottom, left, right
        return *shifted_inside(top, bottom, height), *shifted_inside(left, right, width)


def shifted_inside(first: Side, beyond: Side, size: int) -> tuple[Side, Side]:
    """Rows ``[first, beyond)`` moved as little as it takes to lie in ``[0, size)``; there are at most ``size``."""
    count = beyond - first
    if isinstance(first, Tensor):
        first = torch.minimum(first.clamp(min=0), size - count)
    else:
        first = min(max(first, 0), size - count)
    return first, first + count
