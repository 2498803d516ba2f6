"""TL-Align's labels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.mix import Mix, with_shares
from ..core.roles import Labels
from ..probes.attention import PLAIN, attentions, author, heard_matrices, network_of
from ..probes.modules import extra_tokens, token_grid


class TLAlign(Labels):
    """TL-Align: each token carries its share of the two labels through the network, as attention mixes it.

    `Token-Label Alignment for Vision Transformers <https://arxiv.org/abs/2210.06455>`_. A patch starts with the share
    of the own image in it, the class token with that of the whole image. Each block turns the shares ``s`` into
    ``(s + A s) / 2``, ``A`` its attention averaged over the heads; the label is what the class token ends with. It goes
    with any mixer of images; the paper's is CutMix in whole patches, in every batch and without Mixup beside it. It
    needs :class:`mmmix.MixClassifier` and a network in which all tokens attend to all: a ViT, DeiT, DeiT III or BEiT;
    without a class token the mean over the patches counts. In windows the released code has no such thing: a Swin is
    refused.

    Raises:
        ValueError: If the network is no plain vision transformer.

    Example:
        >>> from mmmix import CutMix, TLAlign
        >>> mixer = CutMix(labels=TLAlign())
    """

    needs_model = True
    after_forward = True
    sees_mixed_images = True

    def check_model(self, model: Any) -> None:
        """Refuse a network in which not all tokens attend to all."""
        network: Any = network_of(model)
        if author(network) not in PLAIN or len(attentions(network)) != len(network.layers):
            raise ValueError(
                'TLAlign carries labels through the attention of all tokens to all, which is not known of '
                f'{type(network).__name__}: use a {", ".join(PLAIN)} of mmpretrain as it comes, or TransMix.'
            )

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[[Mix, Callable[[], Tensor]], Mix]]:
        """Listen to all blocks while the mixed images go through the network; see :meth:`Labels.watch`."""
        with heard_matrices(model) as matrices:

            def relabel(mix: Mix, predict: Callable[[], Tensor]) -> Mix:
                lam = carried_share(mix.mask, matrices(), extra_tokens(network_of(model)))
                return with_shares(mix, lam, 1 - lam)

            yield relabel


def carried_share(mask: Tensor, matrices: Iterator[Tensor], in_front: int | None = None) -> Tensor:
    """The own share that the class token ends with, ``(N,)``, float32.

    Args:
        mask (Tensor): ``(N, 1, H, W)`` own mask.
        matrices (Iterator[Tensor]): ``(N, L, L)`` attention of each block, rows summing to 1.
        in_front (int, optional): How many tokens the network says come before the patches. Defaults to None.
    """
    shares, extra = None, 0
    for attention in matrices:
        if shares is None:
            extra, rows, columns = token_grid(attention.shape[1], mask.shape[2], mask.shape[3], in_front)
            patches = F.adaptive_avg_pool2d(mask.float(), (rows, columns)).flatten(1)
            shares = torch.cat([mask.float().flatten(1).mean(1, keepdim=True).expand(-1, extra), patches], 1)
        shares = (shares + torch.einsum('nij,nj->ni', attention, shares)) / 2
    assert shares is not None
    return (shares[:, 0] if extra else shares.mean(1)).clamp(0, 1)
