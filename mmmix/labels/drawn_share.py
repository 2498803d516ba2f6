"""The label shares are those that were drawn, whatever is visible."""

import torch
from torch import Tensor

from ..core import Mix
from ..core.roles import Labels


class DrawnShare(Labels):
    """The label shares are the ratio that was drawn, even where the border of the image cut a box smaller.

    A convention of timm and mmpretrain, ``correct_lam=False``, and of early CutMix code: such labels do not tell the
    truth about the pixels. It is here so that runs with it can be repeated, and is nobody's default.

    Raises:
        ValueError: With a mixer that draws no ratio.

    Example:
        >>> import torch
        >>> from mmmix import CutMix, DrawnShare
        >>> mix = CutMix(labels=DrawnShare(), lam_mode='elem').mix(torch.rand(64, 3, 8, 8), torch.eye(64))
        >>> bool((mix.lam <= mix.mask.mean((1, 2, 3)) + 1e-6).all())
        True
    """

    def shares(self, mix: Mix) -> tuple[Tensor, Tensor]:
        """The drawn own share and the rest; see :meth:`Labels.shares`."""
        share = mix.share
        if share is None:
            raise ValueError(
                'DrawnShare keeps the ratio that was drawn, but this mixer draws none: leave its `labels` out.'
            )
        if share.numel() == 1:
            share = torch.full_like(mix.lam, float(share))
        return share, 1 - share
