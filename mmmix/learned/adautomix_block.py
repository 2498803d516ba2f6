"""AdAutoMix's block."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .mix_block import begin, enlarged


class AdAutoMixBlock(nn.Module):
    """AdAutoMix's block: each of several images asks all others, and answers with a map of its own.

    1x1 convolutions, with a ReLU behind queries and keys as in the authors' code, make queries, keys and values of each
    image's features; ``softmax(q_i (sum of the other images' k) / sqrt(C / 2)) v_i`` is upsampled, and a softmax over
    the images gives the mask of each. Weights are drawn from N(0, 0.01 ** 2), so that masks begin near one ``n``-th.
    All in float32.

    Args:
        width (int): ``C``, how many channels the features have.
        sees_lam (bool): Whether each image's own share is a further channel of its features. Defaults to True.
        upsample (str): ``'nearest'`` or ``'bilinear'``. Defaults to ``'bilinear'``.

    Shape:
        Features ``(N, C, h, w)`` of ``n`` images and their shares ``(N, n)`` become masks ``(N, n, H, W)``, float32,
        which add up to 1 in each pixel.

    Example:
        >>> import torch
        >>> from mmmix import AdAutoMixBlock
        >>> masks = AdAutoMixBlock(16)(torch.rand(3, 4, 16, 3, 3), torch.full((4, 3), 1 / 3), (12, 12))
        >>> masks.shape
        torch.Size([4, 3, 12, 12])
    """

    def __init__(self, width: int, sees_lam: bool = True, upsample: str = 'bilinear'):
        super().__init__()
        self.sees_lam = sees_lam
        self.upsample = upsample
        width, inner = width + int(sees_lam), max(1, width // 2)
        self.query = nn.Sequential(nn.Conv2d(width, inner, 1), nn.ReLU())
        self.key = nn.Sequential(nn.Conv2d(width, inner, 1), nn.ReLU())
        self.value = nn.Conv2d(width, 1, 1)
        begin(self)

    def forward(self, features: Sequence[Tensor] | Tensor, shares: Tensor, size: Sequence[int]) -> Tensor:
        """The masks of all images."""
        with torch.autocast(shares.device.type, enabled=False):
            shown = torch.stack([each.float() for each in features])
            count, n, _, rows, columns = shown.shape
            if self.sees_lam:
                planes = shares.float().t()[:, :, None, None, None].expand(-1, -1, 1, rows, columns)
                shown = torch.cat([shown, planes], 2)
            query, key, value = (
                ask(shown.flatten(0, 1)).flatten(2).unflatten(0, (count, n))
                for ask in (self.query, self.key, self.value)
            )
            asked = query.transpose(2, 3) @ (key.sum(0) - key)
            weights = (asked / math.sqrt(query.shape[2])).softmax(3)
            worth = weights @ value.transpose(2, 3)
            maps = worth[..., 0].transpose(0, 1).unflatten(2, (rows, columns))
            return enlarged(maps, size, self.upsample).softmax(1)
