"""Tokens that are alike become one: the merging of ToMe, by index arithmetic."""

import torch
from torch import Tensor


def merge_targets(features: Tensor, count: int) -> Tensor:
    """Which token each token becomes, when the ``count`` most alike pairs are merged.

    Tokens stand in two groups, every second one in each. A token of the second group is paired with the token of the
    first whose features point in the most similar direction; the most similar pairs are merged into the token of the
    first group (`arXiv:2210.09461 <https://arxiv.org/abs/2210.09461>`_, bipartite soft matching).

    Args:
        features (Tensor): ``(N, L, D)``, by which tokens are compared.
        count (int): How many pairs, at most ``L // 2``.

    Returns:
        Tensor: ``(N, L)``, int64, in ``[0, L - count)``: first what is left of the second group, then the first.
    """
    unit = features / features.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    first, second = unit[:, ::2], unit[:, 1::2]
    best, partner = (second @ first.transpose(1, 2)).max(2)
    rank = best.argsort(dim=1, descending=True, stable=True).argsort(1)
    # Of the second group the tokens that stay keep their order.
    stays = rank >= count
    left = second.shape[1] - count
    moved = torch.where(stays, stays.cumsum(1) - 1, left + partner)
    targets = features.new_empty(features.shape[:2], dtype=torch.long)
    targets[:, 1::2] = moved
    targets[:, ::2] = left + torch.arange(first.shape[1], device=features.device)
    return targets


def merge(tokens: Tensor, sizes: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Tokens that become one are averaged, each as often as it stands for a patch.

    Args:
        tokens (Tensor): ``(N, L, C)``.
        sizes (Tensor): ``(N, L)``, how many patches each stands for.
        targets (Tensor): ``(N, L)``; see :func:`merge_targets`.
        count (int): How many there are fewer.

    Returns:
        tuple[Tensor, Tensor]: ``(N, L - count, C)`` tokens and ``(N, L - count)`` sizes.
    """
    n, length, channels = tokens.shape
    weights = sizes.to(tokens.dtype)[..., None]
    summed = tokens.new_zeros(n, length - count, channels)
    summed.scatter_add_(1, targets[..., None].expand(-1, -1, channels), tokens * weights)
    merged = sizes.new_zeros(n, length - count).scatter_add_(1, targets, sizes)
    return summed / merged.to(tokens.dtype)[..., None], merged
