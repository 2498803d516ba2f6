"""MaskMix."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import whole
from ..ops.cells import cells_to_pixels


class MaskMix(Mixer):
    r"""MaskMix: a grid of patches much larger than those of the network, each the own image's or the partner's.

    The geometry of `MixPro <https://arxiv.org/abs/2304.12043>`_, for any network. The grid has
    ``ceil(side / mask_size)`` cells a side, the last ones cut off at the border; ``ceil(share * cells)`` of them, drawn
    for each image, are its own. The labels follow the area, here also where cells are cut off. A ``mask_size`` that
    covers the image is refused: it would never mix.

    Example:
        >>> import torch
        >>> from mmmix import MaskMix
        >>> mix = MaskMix(mask_size=4).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
    """

    mask_size: int | None = whole(
        default=None,
        least=1,
        optional=True,
        none="a quarter of the shorter side (rounded up), the paper's 56 of 224 pixels",
        like=64,
        doc="Side of a cell in pixels, best a multiple of the network's patch.",
    )

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """As many own cells as the share asks for, in places drawn for each image."""
        height, width = own.shape[-2:]
        size = self.mask_size or -(-min(height, width) // 4)
        rows, columns = -(-height // size), -(-width // size)
        if self.mask_size and rows * columns == 1:
            raise ValueError(
                f'{type(self).__name__}: one cell of {size} pixels covers images of {height} x {width}: it '
                f'would never mix, so set `mask_size` to at most {max(1, max(height, width) // 2)}, or leave it out.'
            )
        place = torch.rand(len(own), rows * columns, device=own.device).argsort(1)
        count = (share.double() * rows * columns).ceil()
        cells = (place < count[:, None]).view(-1, 1, rows, columns)
        # A whole number of cells, of which the border cuts off what sticks out.
        return cells_to_pixels(cells, rows * size, columns * size)[..., :height, :width], other
