"""What a transformer attends to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..part import Guide
from ..registry import TASK_UTILS
from .gradient import untouched
from .module_path import module_at, recorded, run, token_grid


@TASK_UTILS.register_module()
class Attention(Guide):
    """What a transformer attends to: the attention of one block, averaged over its heads.

    In a ViT it is what the class token pays to each patch; without a class token, what all patches pay on average. In a
    Swin it is what each token is paid by its window on average, put together from all windows. The map is brought to the
    images' size bilinearly. Forward only, in eval mode: the attention is worked out from the block's own queries and keys
    (ViT) or heard from its softmax (Swin) by a temporary hook.

    It is the attention that TransMix (`arXiv:2111.09833 <https://arxiv.org/abs/2111.09833>`_) reads labels from.

    Args:
        at (str, optional): Path of the block, e.g. ``'backbone.layers.11'`` (ViT) or ``'backbone.stages.3.blocks.1'``
            (Swin). Defaults to None: the last block that has attention.

    Raises:
        ValueError: If there is no attention there that this guide understands.
        RuntimeError: When called without a model: use :class:`mmmix.MixClassifier`, or :meth:`bind` one.

    Example:
        >>> import torch
        >>> from mmpretrain.models import ImageClassifier
        >>> from mmmix import Attention
        >>> arch = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
        >>> model = ImageClassifier(
        ...     backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32, patch_size=8),
        ...     head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=32))
        >>> guide = Attention()
        >>> guide.bind(model)
        >>> guide(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    needs_model = True

    def __init__(self, at: str | None = None):
        self.at = at

    @torch.compiler.disable
    @torch.no_grad()
    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scores (Tensor, optional): Not looked at.

        Returns:
            Tensor: ``(N, 1, H, W)``, float32, at least 0.
        """
        model = self.require_model()
        size = images.shape[-2:]
        dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
        with untouched(model), torch.autocast(images.device.type, enabled=False):
            attention = find_attention(model if self.at is None else module_at(model, self.at))
            read = window_attention if hasattr(attention, 'w_msa') else class_attention
            found = read(model, attention, images.detach().to(dtype))
            return F.interpolate(found.float(), size, mode='bilinear', align_corners=False)


def find_attention(model: nn.Module) -> Any:
    """The last module in ``model`` whose attention this guide can read.

    Raises:
        ValueError: If there is none.
    """
    found = None
    for module in model.modules():
        inside_windows = isinstance(getattr(module, 'relative_position_index', None), Tensor)
        plain = hasattr(module, 'qkv') and hasattr(module, 'num_heads') and not inside_windows
        if hasattr(module, 'w_msa') or plain:
            found = module
    if found is None:
        raise ValueError(
            f'Attention: {type(model).__name__} has no multi-head or window attention of mmpretrain; use another guide, '
            "e.g. dict(type='mmmix.ClassActivation')."
        )
    return found


def class_attention(model: nn.Module, attention: Any, images: Tensor) -> Tensor:
    """What the class token pays to each patch, ``(N, 1, rows, columns)``."""
    with recorded(attention.qkv) as heard:
        run(model, images)
    n, count, width = heard[-1].shape
    heads = attention.num_heads
    query, key, _ = heard[-1].float().view(n, count, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    extra, rows, columns = token_grid(count, *images.shape[-2:])
    if extra:
        query = query[:, :, :1]
    paid = (query @ key.transpose(-2, -1) / query.shape[-1]**0.5).softmax(-1).mean((1, 2))
    return paid[:, None, extra:].unflatten(2, (rows, columns))


def window_attention(model: nn.Module, attention: Any, images: Tensor) -> Tensor:
    """What each token is paid by its window, ``(N, 1, rows, columns)``."""
    shapes: list[tuple[int, int]] = []
    handle = attention.register_forward_pre_hook(lambda _, args: shapes.append(args[1]))
    try:
        with recorded(attention.w_msa.softmax) as heard:
            run(model, images)
    finally:
        handle.remove()
    (height, width), window = shapes[-1], attention.window_size
    shift = attention.shift_size
    if min(height, width) == window and not attention.pad_small_map:
        shift = 0
    rows, columns = -(-height // window), -(-width // window)
    paid = heard[-1].float().mean((1, 2)).view(len(images), rows, columns, window, window)
    paid = paid.permute(0, 1, 3, 2, 4).reshape(len(images), 1, rows * window, columns * window)
    # The windows were laid over a rolled map, padded at its end.
    return paid.roll((shift, shift), (2, 3))[..., :height, :width]
