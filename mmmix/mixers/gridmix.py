"""GridMix."""

import torch
from torch import Tensor

from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mix import Mixer
from .resample import cells_to_pixels


@BATCH_AUGMENTS.register_module()
class GridMix(Mixer):
    r"""GridMix: a chessboard whose cells are the own image or the partner at random.

    `GridMix: Strong Regularization through Local Context Mapping <https://doi.org/10.1016/j.patcog.2020.107594>`_. The
    image is divided into ``grid x grid`` cells, each the own image's with probability ``share``; the labels follow the
    area.

    The paper's code is not public, so the law of the cells is our reading of it. Its second part, a loss that predicts
    the label of every cell, is not here. OpenMixup's ``gridmix`` is another method of that name, with regular holes.

    Args:
        grid (int): Cells a side. Defaults to 4.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one mask a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import GridMix
        >>> mix = GridMix(grid=2).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
    """

    def __init__(
        self,
        grid: int = 4,
        alpha: float = 1.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.grid = check_grid(grid, 'GridMix')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One chessboard for the batch with ``'batch'``, one for each image with ``'elem'``."""
        if self.lam_mode == 'batch':
            share = share[:1]
        rows, columns = cells_of(own, self.grid)
        cells = torch.rand(len(share), 1, rows, columns, device=own.device) < share[:, None, None, None]
        return cells_to_pixels(cells, *own.shape[-2:]), other


def check_grid(grid: int, name: str) -> int:
    """The number of cells a side.

    Raises:
        ValueError: If it is no positive whole number.
    """
    if isinstance(grid, bool) or not isinstance(grid, int) or grid < 1:
        raise ValueError(f'{name}: `grid` must be a positive number of cells a side, e.g. grid=4, but got {grid!r}.')
    return grid


def cells_of(images: Tensor, grid: int) -> tuple[int, int]:
    """Rows and columns of a grid over these images: no more than they have pixels."""
    return min(grid, images.shape[-2]), min(grid, images.shape[-1])
