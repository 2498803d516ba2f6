"""A vision transformer that merges tokens on its way, and what its last block attends to then."""

from typing import Any

import torch
from torch import Tensor, nn

from ..ops.devices import without_autocast
from ..ops.merging import merge, merge_targets
from .attention import author, divisor, network_of, split
from .modules import extra_tokens, input_at, token_grid
from .sharding import in_groups, of_kind


def check_mergeable(model: Any) -> nn.Module:
    """The network, if its blocks are such that tokens can be merged between attention and feed-forward layer.

    Raises:
        ValueError: If they are not.
    """
    network = network_of(model)
    layers = getattr(network, 'layers', ())
    if not len(layers) or not all(
        author(layer) == 'TransformerEncoderLayer' and author(layer.attn) == 'MultiheadAttention' for layer in layers
    ):
        raise ValueError(
            f'How to merge tokens in {type(network).__name__} is not known here: use a VisionTransformer or '
            "DistilledVisionTransformer of mmpretrain, or, as a guide, dict(type='mmmix.Attention')."
        )
    return network


def merged_attention(model: Any, images: Tensor, share: float) -> Tensor:
    """What the class token, or the average patch, pays to each patch, in a pass that merges tokens.

    In every block but the last some of the most alike patches become one, behind the attention: as many in each, so
    that ``share`` of them are gone at last. A merged token counts in the attention as often as it stands for a patch,
    and what it is paid is divided among its patches: patches that are equal are paid what they would be unmerged.

    Args:
        model (nn.Module): A classifier; see :func:`check_mergeable`.
        images (Tensor): ``(N, C, H, W)``.
        share (float): How many of the patches are merged away, in ``[0, 1)``. No block merges more than half.

    Returns:
        Tensor: ``(N, 1, rows, columns)``, float32.

    Raises:
        RuntimeError: If parameters are sharded: blocks are taken apart here, and put theirs together as a whole.
    """
    if in_groups(model) or of_kind(model, 'FullyShardedDataParallel'):
        raise RuntimeError(
            'Tokens are merged inside of the blocks, where FSDP leaves parameters in parts: use '
            "dict(type='mmmix.Attention'), or train under DDP."
        )
    network: Any = check_mergeable(model)
    (tokens,) = input_at(model, network.layers[0], images)
    extra, rows, columns = token_grid(tokens.shape[1], *images.shape[-2:], extra_tokens(network))
    patches, last = rows * columns, len(network.layers) - 1
    goal = int(share * patches)
    sizes = torch.ones(len(tokens), patches, device=tokens.device)
    groups = torch.arange(patches, device=tokens.device).expand(len(tokens), -1)
    for number, layer in enumerate(network.layers):
        weights, key, value = attention_of(layer.attn, layer.ln1(tokens), sizes, extra)
        if number == last:
            break
        tokens = tokens + attended(layer.attn, weights, value)
        due = (number + 1) * goal // last - (patches - sizes.shape[1])
        count = min(due, sizes.shape[1] // 2)
        if count:
            targets = merge_targets(key[:, :, extra:].mean(1).float(), count)
            kept, sizes = merge(tokens[:, extra:], sizes, targets, count)
            tokens, groups = torch.cat([tokens[:, :extra], kept], 1), targets.gather(1, groups)
        tokens = layer.ffn(layer.ln2(tokens), identity=tokens)
    weights = weights.mean(1)
    paid = weights[:, 0, extra:] if extra else torch.einsum('nl,nlm->nm', sizes / patches, weights)
    return (paid / sizes).gather(1, groups).unflatten(1, (1, rows, columns))


def attention_of(attention: Any, tokens: Tensor, sizes: Tensor, extra: int) -> tuple[Tensor, Tensor, Tensor]:
    """The attention ``(N, heads, L, L)``, float32, where each token counts by its size, with keys and values."""
    query, key, value = split(attention.qkv(tokens), 3, attention.num_heads)
    counts = torch.cat([sizes.new_ones(len(sizes), extra), sizes], 1)
    with without_autocast(query):
        products = query.float() @ key.float().transpose(-2, -1) / divisor(attention, query)
        return (products + counts.log()[:, None, None]).softmax(-1), key, value


def attended(attention: Any, weights: Tensor, value: Tensor) -> Tensor:
    """What the module adds to its tokens, ``(N, L, C)``."""
    mixed = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
    return attention.out_drop(attention.gamma1(attention.proj_drop(attention.proj(mixed))))
