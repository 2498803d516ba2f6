"""AttentiveMix."""

import torch
from torch import Tensor

from ..core import Built, Guide, GuidedMixer
from ..core.fields import part, whole
from ..ops.cells import best_cells, cells_of, cells_to_pixels


class AttentiveMix(GuidedMixer):
    r"""Attentive CutMix: the cells of the own image that a pretrained network looks at most are kept.

    `Attentive CutMix: An Enhanced Data Augmentation Approach for Deep Learning Based Image Classification
    <https://arxiv.org/abs/2003.13048>`_. The guide, usually a frozen :class:`Teacher`, rates the cells of a coarse
    grid; the best ``k`` of them stay, and the partner fills the rest. The labels follow the area, ``k / cells`` where
    the grid divides the image.

    The paper fixes ``k`` at 6 of 7 x 7 cells: ``top_k=6``. The default draws ``k = clamp(floor(share * cells), 1,
    cells)``, as OpenMixup's AttentiveMix+.

    Deviation from the paper: the attentive cells are the own image's and not those of the image that is pasted, which
    is the same with the roles exchanged.

    Example:
        >>> import torch
        >>> from mmmix import AttentiveMix, SpectralResidual
        >>> mixer = AttentiveMix(guide=SpectralResidual(), grid=4, top_k=6)
        >>> mix = mixer.mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam * 16
        tensor([6., 6., 6., 6.])
    """

    guide: Built[Guide] = part(
        Guide,
        like="guide=dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k')",
        doc="What is important in an image, e.g. ``dict(type='mmmix.Teacher', model='resnet50_8xb32_in1k')``.",
    )
    grid: int = whole(default=7, least=1, doc='Cells a side, best as many as the guide has.')
    top_k: int | None = whole(
        default=None, least=1, optional=True, like=6, none='by the drawn share', doc='How many cells stay.'
    )

    def __post_init__(self) -> None:
        """No more cells may stay than there are."""
        super().__post_init__()
        if self.top_k is not None and self.top_k > self.grid**2:
            raise ValueError(f'AttentiveMix: `top_k` must lie in [1, {self.grid**2}], e.g. 6, but got {self.top_k!r}.')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The own image's best cells."""
        rows, columns = cells_of(own, self.grid)
        cells = rows * columns
        if self.top_k is None:
            count = (share.double() * cells).long().clamp(1, cells)
        else:
            count = torch.where(share == 1, cells, self.top_k)
        stays = best_cells(self.importance(own), rows, columns, count)
        return cells_to_pixels(stays, *own.shape[-2:]), other
