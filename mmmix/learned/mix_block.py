"""The networks that draw masks from the features of two images."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MixBlock(nn.Module):
    """AutoMix's block: the own image's places ask the partner's which of them are worth showing.

    A 1x1 convolution that both images share gives queries of the own features and keys of the partner's, another one
    the value of each of the partner's places; ``softmax(q k / sqrt(C / 2)) v`` is upsampled, and its sigmoid is the
    partner's share. Weights are drawn from N(0, 0.01 ** 2), so that masks begin near one half. All in float32.

    Args:
        width (int): ``C``, how many channels the features have.
        sees_lam (bool): Whether the drawn share is a further channel, of the own image the own share and of the partner
            its own. Defaults to True.
        upsample (str): ``'nearest'`` or ``'bilinear'``. Defaults to ``'nearest'``.

    Shape:
        Features ``(N, C, h, w)`` of both images and own shares ``(N,)`` become own masks ``(N, 1, H, W)``, float32.

    Example:
        >>> import torch
        >>> from mmmix import MixBlock
        >>> own, other = torch.rand(2, 4, 16, 3, 3)
        >>> MixBlock(16)(own, other, torch.rand(4), (12, 12)).shape
        torch.Size([4, 1, 12, 12])
    """

    def __init__(self, width: int, sees_lam: bool = True, upsample: str = 'nearest'):
        super().__init__()
        self.sees_lam = sees_lam
        self.upsample = upsample
        self.build(width + int(sees_lam))
        begin(self)

    def build(self, width: int) -> None:
        """Make the convolutions.

        Args:
            width (int): How many channels come in.
        """
        self.query = nn.Conv2d(width, max(1, width // 2), 1)
        self.value = nn.Sequential(nn.Conv2d(width, 1, 1))

    def forward(self, own: Tensor, other: Tensor, share: Tensor, size: Sequence[int]) -> Tensor:
        """The own masks."""
        with torch.autocast(own.device.type, enabled=False):
            query, key, value = self.attend(*self.shown(own.float(), other.float(), share.float()))
            query, key, value = (each.flatten(2) for each in (query, key, value))
            weights = (query.transpose(1, 2) @ key / math.sqrt(query.shape[1])).softmax(2)
            worth = (weights @ value.transpose(1, 2)).transpose(1, 2).unflatten(2, own.shape[2:])
            return 1 - enlarged(worth, size, self.upsample).sigmoid()

    def shown(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Both images' features as the convolutions see them: with a channel of the shares."""
        if not self.sees_lam:
            return own, other
        plane = share[:, None, None, None].expand(-1, 1, *own.shape[2:])
        return torch.cat([own, plane], 1), torch.cat([other, 1 - plane], 1)

    def attend(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, ``(N, D, h, w)``, ``(N, D, h, w)`` and ``(N, 1, h, w)``."""
        return self.query(own), self.query(other), self.value(other)


def begin(block: nn.Module) -> None:
    """Draw the weights of a block from N(0, 0.01 ** 2), so that in the beginning all images have about as much."""
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            assert module.bias is not None
            nn.init.zeros_(module.bias)


def enlarged(maps: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """Maps ``(N, C, h, w)`` as large as images.

    Args:
        maps (Tensor): ``(N, C, h, w)``.
        size (Sequence[int]): Height and width.
        mode (str): ``'nearest'`` or ``'bilinear'``.
    """
    corners = None if mode == 'nearest' else False
    return F.interpolate(maps, (int(size[0]), int(size[1])), mode=mode, align_corners=corners)
