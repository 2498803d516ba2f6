"""Saliency Grafting."""

import torch
from torch import Tensor

from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .gridmix import cells_of, check_grid
from .mix import Mixer
from .resample import cells_to_pixels, pixels_to_cells, shares_of_cells

GRADIENT = dict(type='mmmix.InputGradient')


@BATCH_AUGMENTS.register_module()
class SaliencyGrafting(Mixer):
    r"""Saliency Grafting: salient cells of the own image are kept by chance; labels follow the salience that is left.

    `Saliency Grafting: Innocuous Attribution-Guided Mixup with Calibrated Label Mixing
    <https://arxiv.org/abs/2112.08796>`_. A cell of the own image is kept with the probability that a softmax with
    ``temperature`` over its salience gives it, relative to the best cell, which is always kept. With the maps ``s`` and
    the cells ``M`` that are kept, the own share is ``|s_own M| / (|s_own M| + |s_partner (1 - M)|)`` in the Euclidean
    norm.

    The authors' code is not public. Ours, then: maps have a mean of 1 before the softmax, so that ``temperature`` has a
    scale, and a sum of 1 in the norms; ``temperature`` 1; an own image without any salience left gets its area.

    Args:
        guide (Guide | dict, optional): What is important in an image. Defaults to None, :class:`InputGradient`, which
            needs :class:`MixClassifier`.
        grid (int): Cells a side. Defaults to 7.
        temperature (float): The higher, the more is kept, and the less by salience. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; cells are drawn for each
            image with both. Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the salience that is left.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import SaliencyGrafting, SpectralResidual
        >>> mix = SaliencyGrafting(guide=SpectralResidual(), grid=4).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> bool(((mix.lam > 0) & (mix.lam <= 1)).all())
        True
    """

    looks_at_partners = True

    def __init__(
        self,
        guide: Guide | dict | None = None,
        grid: int = 7,
        temperature: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite)
        number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
        if not number or not 0 < temperature < float('inf'):
            raise ValueError(f'SaliencyGrafting: `temperature` must be a number above 0, but got {temperature!r}.')
        self.guide = build_part(guide or GRADIENT, Guide, 'guide')
        self.grid = check_grid(grid, 'SaliencyGrafting')
        self.temperature = float(temperature)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the maps decide."""
        return torch.zeros(count, device=device)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The cells that are kept, and the shares that follow from them."""
        rows, columns = cells_of(own, self.grid)
        mine, theirs = (
            shares_of_cells(pixels_to_cells(self.importance(images), rows, columns)) for images in (own, other)
        )
        scaled = mine * (rows * columns / self.temperature)
        keep = (scaled - scaled.amax((2, 3), keepdim=True)).exp()
        cells = (torch.rand_like(keep) < keep) | (share == 1)[:, None, None, None]
        mask = cells_to_pixels(cells, *own.shape[-2:])

        kept = torch.where(cells, mine, 0.0).flatten(1).norm(dim=1)
        grafted = torch.where(cells, 0.0, theirs).flatten(1).norm(dim=1)
        both = kept + grafted
        lam = torch.where(both > 0, kept / both, mask.float().mean((1, 2, 3)))
        if self._scene is not None:
            self._scene.shares = lam, 1 - lam
        return mask, other
