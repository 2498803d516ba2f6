"""Saliency Grafting."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer, RatiolessMixer
from ..core.fields import again, number, whole
from ..guides import InputGradient
from ..ops.cells import cells_of, cells_to_pixels, pixels_to_cells, shares_of_cells


class SaliencyGrafting(RatiolessMixer, GuidedMixer):
    r"""Saliency Grafting: salient cells of the own image are kept by chance; labels follow the salience that is left.

    `Saliency Grafting: Innocuous Attribution-Guided Mixup with Calibrated Label Mixing
    <https://arxiv.org/abs/2112.08796>`_. A cell of the own image is kept with the probability that a softmax with
    ``temperature`` over its salience gives it, relative to the best cell, which is always kept. With the maps ``s`` and
    the cells ``M`` that are kept, the own share is ``|s_own M| / (|s_own M| + |s_partner (1 - M)|)`` in the Euclidean
    norm.

    The authors' code is not public. Ours, then: maps have a mean of 1 before the softmax, so that ``temperature`` has a
    scale, and a sum of 1 in the norms; ``temperature`` 1; an own image without any salience left gets its area.

    Example:
        >>> import torch
        >>> from mmmix import SaliencyGrafting, SpectralResidual
        >>> mix = SaliencyGrafting(guide=SpectralResidual(), grid=4).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool(((mix.lam > 0) & (mix.lam <= 1)).all())
        True
    """

    guide: Built[Guide] = again(default=None, stands_for=InputGradient)
    grid: int = whole(default=7, least=1, doc='Cells a side.')
    temperature: float = number(default=1.0, above=0, doc='The higher, the more is kept, and the less by salience.')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The cells that are kept, and the shares that follow from them."""
        rows, columns = cells_of(own, self.grid)
        maps = self.both_importances(own, other)
        mine, theirs = (shares_of_cells(pixels_to_cells(each, rows, columns)) for each in maps)
        scaled = mine * (rows * columns / self.temperature)
        keep = (scaled - scaled.amax((2, 3), keepdim=True)).exp()
        cells = (torch.rand_like(keep) < keep) | (share == 1)[:, None, None, None]
        mask = cells_to_pixels(cells, *own.shape[-2:])

        kept = torch.where(cells, mine, 0.0).flatten(1).norm(dim=1)
        grafted = torch.where(cells, 0.0, theirs).flatten(1).norm(dim=1)
        both = kept + grafted
        lam = torch.where(both > 0, kept / both, mask.float().mean((1, 2, 3)))
        self.tell_shares(lam, 1 - lam)
        return mask, other
