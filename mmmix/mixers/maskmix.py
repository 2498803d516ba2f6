"""MaskMix."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import whole
from ..ops.cells import cells_to_pixels


class MaskMix(Mixer):
    r"""MaskMix: a grid of patches much larger than those of the network, each the own image's or the partner's.

    The geometry of `MixPro <https://arxiv.org/abs/2304.12043>`_, for any network. The grid has
    ``ceil(size / mask_size)`` cells a side, the last ones cut off at the border; ``ceil(share * cells)`` of them, drawn
    for each image, are its own. The labels follow the area, here also where cells are cut off.

    Example:
        >>> import torch
        >>> from mmmix import MaskMix
        >>> mix = MaskMix(mask_size=4).mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam * 4 == (mix.lam * 4).round()).all())
        True
    """

    mask_size: int = whole(
        default=56,
        least=1,
        doc="Side of a cell in pixels, a multiple of the network's patch. 56 is the paper's for 224 pixels.",
    )

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """As many own cells as the share asks for, in places drawn for each image."""
        height, width = own.shape[-2:]
        rows, columns = -(-height // self.mask_size), -(-width // self.mask_size)
        place = torch.rand(len(own), rows * columns, device=own.device).argsort(1)
        count = (share.double() * rows * columns).ceil()
        cells = (place < count[:, None]).view(-1, 1, rows, columns)
        # A whole number of cells, of which the border cuts off what sticks out.
        return cells_to_pixels(cells, rows * self.mask_size, columns * self.mask_size)[..., :height, :width], other
