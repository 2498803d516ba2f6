"""AttentiveMix."""

import torch
from torch import Tensor

from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .gridmix import cells_of, check_grid
from .mix import Mixer
from .resample import cells_to_pixels, pixels_to_cells


@BATCH_AUGMENTS.register_module()
class AttentiveMix(Mixer):
    r"""Attentive CutMix: the cells of the own image that a pretrained network looks at most are kept.

    `Attentive CutMix: An Enhanced Data Augmentation Approach for Deep Learning Based Image Classification
    <https://arxiv.org/abs/2003.13048>`_. The guide, usually a frozen :class:`Teacher`, rates the cells of a coarse
    grid; the best ``k`` of them stay, and the partner fills the rest. The labels follow the area, ``k / cells`` where
    the grid divides the image.

    The paper fixes ``k`` at 6 of 7 x 7 cells: ``top_k=6``. The default draws ``k = clamp(floor(share * cells), 1,
    cells)``, as OpenMixup's AttentiveMix+.

    Deviation from the paper: the attentive cells are the own image's and not those of the image that is pasted, which
    is the same with the roles exchanged.

    Args:
        guide (Guide | dict): What is important in an image, e.g.
            ``dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k')``.
        grid (int): Cells a side, best as many as the guide has. Defaults to 7.
        top_k (int, optional): How many cells stay. Defaults to None, as many as the drawn share says.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one number of cells a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If there is no guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import AttentiveMix
        >>> net = dict(
        ...     type='mmpretrain.ImageClassifier',
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
        ... )
        >>> guide = dict(type='mmmix.Teacher', model=net, checkpoint=False, size=32)
        >>> mix = AttentiveMix(guide=guide, grid=4, top_k=6).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam * 16
        tensor([6., 6., 6., 6.])
    """

    def __init__(
        self,
        guide: Guide | dict,
        grid: int = 7,
        top_k: int | None = None,
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
        self.guide = build_part(guide, Guide, 'guide')
        if self.guide is None:
            raise TypeError(
                "AttentiveMix needs a guide, e.g. guide=dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k')."
            )
        self.grid = check_grid(grid, 'AttentiveMix')
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= grid**2):
            raise ValueError(f'AttentiveMix: `top_k` must lie in [1, {grid**2}], e.g. 6, but got {top_k!r}.')
        self.top_k = top_k

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The own image's best cells."""
        rows, columns = cells_of(own, self.grid)
        cells = rows * columns
        rated = pixels_to_cells(self.importance(own), rows, columns).flatten(1)
        if self.top_k is None:
            count = (share.double() * cells).long().clamp(1, cells)
        else:
            count = torch.where(share == 1, cells, self.top_k)
        rank = rated.argsort(dim=1, descending=True, stable=True).argsort(1)
        return cells_to_pixels((rank < count[:, None]).view(-1, 1, rows, columns), *own.shape[-2:]), other
