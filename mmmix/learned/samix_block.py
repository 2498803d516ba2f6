"""SAMix's block."""

import torch
from torch import Tensor, nn

from .mix_block import MixBlock


class SAMixBlock(MixBlock):
    """SAMix's block: shares scale the features, and both images are asked and answer together.

    With ``r`` a curve of the own share from 0 to 1, own features are multiplied by ``1 + r`` and the partner's by
    ``2 - r``. Queries and keys are 1x1 convolutions, each its own, of both images' features side by side; values are
    two of them on the partner's, with a ReLU in between. A batch norm there would take out the scale of a share that
    the whole batch has. The rest is :class:`MixBlock`.

    Args:
        width (int): ``C``, how many channels the features have.
        curve (float, optional): ``k`` of ``r = (4/3 l^3 - 2 l^2 + (k + 1) l) / (k + 1/3)``; the smaller, the flatter
            about ``l = 1/2``. Defaults to 0.25; None is ``r = l``.
        dropout (float): In front of the last convolution of the values. Defaults to 0.0.
        upsample (str): ``'nearest'`` or ``'bilinear'``. Defaults to ``'bilinear'``.

    Example:
        >>> import torch
        >>> from mmmix import SAMixBlock
        >>> own, other = torch.rand(2, 4, 16, 3, 3)
        >>> SAMixBlock(16)(own, other, torch.rand(4), (12, 12)).shape
        torch.Size([4, 1, 12, 12])
    """

    def __init__(self, width: int, curve: float | None = 0.25, dropout: float = 0.0, upsample: str = 'bilinear'):
        super().__init__(width, sees_lam=False, upsample=upsample)
        self.curve = curve
        if dropout:
            self.value.insert(2, nn.Dropout(dropout))

    def build(self, width: int) -> None:
        """Make the convolutions."""
        inner = max(1, width // 2)
        self.query, self.key = nn.Conv2d(2 * width, inner, 1), nn.Conv2d(2 * width, inner, 1)
        self.value = nn.Sequential(nn.Conv2d(width, inner, 1), nn.ReLU(), nn.Conv2d(inner, 1, 1))

    def shown(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Both images' features, scaled by their shares."""
        scale = bent(share, self.curve)[:, None, None, None]
        return own * (1 + scale), other * (2 - scale)

    def attend(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values."""
        both = torch.cat([own, other], 1)
        return self.query(both), self.key(both), self.value(other)


def bent(share: Tensor, curve: float | None) -> Tensor:
    """The curve ``r`` of own shares, from 0 to 1; see :class:`SAMixBlock`.

    Args:
        share (Tensor): ``(N,)``.
        curve (float, optional): ``k``; None leaves shares as they are.
    """
    if curve is None:
        return share
    return (4 / 3 * share**3 - 2 * share**2 + (curve + 1) * share) / (curve + 1 / 3)
