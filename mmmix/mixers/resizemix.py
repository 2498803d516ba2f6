"""ResizeMix."""

import torch
from torch import Tensor

from ..core import WholeMixer
from ..core.fields import choice, number, span
from ..ops.draws import beta


class ResizeMix(WholeMixer):
    r"""ResizeMix: the whole partner is made smaller and pasted somewhere, so that no part of it is missing.

    `ResizeMix: Mixing Data with Preserved Object Information and True Labels <https://arxiv.org/abs/2012.11101>`_. The
    partner is resized to ``tau`` times the height and the width, ``tau`` uniform in ``scope``, and pasted with a
    uniform centre. At the border it is cut off, not squeezed, and the labels follow the area that is left.

    Deviations from the authors' code: they place the box inside the image, always whole; here its centre is uniform, as
    in CutMix. They draw a place for each image and one ``tau`` for the batch; here ``'batch'`` draws one of both and
    ``'elem'`` one of both for each image. They resize with ``'nearest'``; mmpretrain's ResizeMix, ours too, defaults to
    ``'bilinear'``. Neither filters before it makes images smaller, and neither does this.

    Example:
        >>> import torch
        >>> from mmmix import ResizeMix
        >>> mix = ResizeMix(scope=(0.5, 0.5)).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam_partner <= 0.25).all())
        True
    """

    scope: tuple[float, float] = span(default=(0.1, 0.8), above=0, most=1, doc='The range of ``tau``.')
    alpha: float | None = number(  # type: ignore[assignment]
        default=None,
        above=0,
        optional=True,
        none='uniform',
        doc='If given, ``tau`` follows Beta(alpha, alpha), and draws outside ``scope`` are replaced by uniform ones, '
        "as in OpenMixup's ``use_alpha``.",
    )
    interpolation: str = choice('bilinear', 'nearest', default='bilinear', doc="``'bilinear'`` or ``'nearest'``.")

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """``1 - tau ** 2``."""
        low, high = self.scope
        tau = low + (high - low) * torch.rand(count, device=device)
        if self.alpha is not None:
            drawn = beta(self.alpha, count, device)
            tau = torch.where((drawn >= low) & (drawn <= high), drawn, tau)
        return 1 - tau**2
