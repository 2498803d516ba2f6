"""Label shares by a transformer's attention to the mixed image."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.fields import flag, text
from ..core.mix import Mix, with_shares
from ..core.roles import Labels
from ..probes.attention import find_attention, heard_attention


class AttentionLabels(Labels, abstract=True):
    """Base of policies that ask how much of a transformer's attention to the mixed image each of the two images gets.

    The attention is worked out from what the training forward pass of the mixed images computes anyway, by a temporary
    hook. A subclass overrides :meth:`own_share`.
    """

    needs_model = True
    after_forward = True
    sees_mixed_images = True
    at: str | None = text(
        default=None,
        what='the path of a block',
        optional=True,
        none='the last block that has attention',
        like='backbone.layers.11',
        doc="Path of the block whose attention counts, e.g. ``'backbone.layers.11'`` (ViT) or "
        "``'backbone.stages.3.blocks.1'`` (Swin).",
    )
    rounded: bool = flag(
        default=False,
        doc="Whether a patch is all of the image that its first pixel is of, as in TransMix's code; otherwise "
        'one on the edge of the mask counts for each image by its area.',
    )

    def check_model(self, model: Any) -> None:
        """Refuse a network without attention."""
        find_attention(model, self.at)

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[[Mix, Callable[[], Tensor]], Mix]]:
        """Listen to the attention while the mixed images go through the network; see :meth:`Labels.watch`."""
        with heard_attention(model, self.at) as maps:

            def relabel(mix: Mix, predict: Callable[[], Tensor]) -> Mix:
                attended = attended_share(mix.mask, maps(*mix.images.shape[2:]), self.rounded)
                lam = self.own_share(mix, attended, predict)
                return with_shares(mix, lam, 1 - lam)

            yield relabel

    def own_share(self, mix: Mix, attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """The own label's share.

        Args:
            mix (Mix): The mixed batch, with area labels.
            attended (Tensor): ``(N,)`` share of the attention that lies on the own image.
            predict (Callable[[], Tensor]): Gives the logits of the mixed images, ``(N, K)``.

        Returns:
            Tensor: ``(N,)``.
        """
        raise NotImplementedError


def attended_share(mask: Tensor, attention: Tensor, rounded: bool = False) -> Tensor:
    """The share of the attention ``(N, 1, rows, columns)`` under the own mask ``(N, 1, H, W)``: ``(N,)``, float32.

    A patch that belongs to both images counts for each by its area, or, ``rounded``, for that of its first pixel. No
    attention at all gives the area.
    """
    grid = attention.shape[2], attention.shape[3]
    cells = F.interpolate(mask.float(), grid) if rounded else F.adaptive_avg_pool2d(mask.float(), grid)
    cells = cells.flatten(1)
    attention = attention.float().flatten(1)
    total = attention.sum(1)
    return torch.where(total > 0, (cells * attention).sum(1) / total, cells.mean(1)).clamp(0, 1)


def area_share(mix: Mix) -> Tensor:
    """The area of the own image, ``(N,)``."""
    return mix.mask.flatten(1).mean(1)
