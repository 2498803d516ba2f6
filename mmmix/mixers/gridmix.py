"""GridMix."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import whole
from ..ops.cells import cells_of, cells_to_pixels


class GridMix(Mixer):
    r"""GridMix: a chessboard whose cells are the own image or the partner at random.

    `GridMix: Strong Regularization through Local Context Mapping <https://doi.org/10.1016/j.patcog.2020.107594>`_. The
    image is divided into ``grid x grid`` cells, each the own image's with probability ``share``; the labels follow the
    area.

    The paper's code is not public, so the law of the cells is our reading of it. Its second part, a loss that predicts
    the label of every cell, is not here. OpenMixup's ``gridmix`` is another method of that name, :class:`GridHoles`.

    Example:
        >>> import torch
        >>> from mmmix import GridMix
        >>> mix = GridMix(grid=2).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
    """

    grid: int = whole(default=4, least=1, doc='Cells a side.')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One chessboard for the batch with ``'batch'``, one for each image with ``'elem'``."""
        share = self.of_masks(share)
        rows, columns = cells_of(own, self.grid)
        cells = torch.rand(len(share), 1, rows, columns, device=own.device) < share[:, None, None, None]
        return cells_to_pixels(cells, *own.shape[-2:]), other
