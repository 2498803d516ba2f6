"""What a transformer attends to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..part import Guide
from ..registry import TASK_UTILS
from .attention_maps import check_of, find_attention, heard_attention
from .gradient import untouched
from .module_path import module_at, run


@TASK_UTILS.register_module()
class Attention(Guide):
    """What a transformer attends to: the attention of one block, averaged over its heads.

    In a ViT it is what the class token pays to each patch; without a class token, what all patches pay on average. In a
    Swin it is what each token is paid by its window on average, put together from all windows. The map is brought to
    the images' size bilinearly. Forward only, in eval mode, in the step's one clean pass where that is still to run:
    the attention is worked out from the block's own queries and keys (ViT) or heard from its softmax (Swin) by a
    temporary hook.

    It is the attention that TransMix (`arXiv:2111.09833 <https://arxiv.org/abs/2111.09833>`_) reads labels from. Inside
    :class:`mmmix.MixClassifier` it shares the step's one clean pass, unless that ran before.

    Args:
        at (str, optional): Path of the block, e.g. ``'backbone.layers.11'`` (ViT) or ``'backbone.stages.3.blocks.1'``
            (Swin). Defaults to None: the last block that has attention.
        of (str): Whose attention: ``'class'``, the class token's, if there is one, or ``'patches'``, what all patches
            pay on average. Defaults to ``'class'``.

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
        ...     head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=32),
        ... )
        >>> guide = Attention()
        >>> guide.bind(model)
        >>> guide(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    needs_model = True

    def __init__(self, at: str | None = None, of: str = 'class'):
        self.at = at
        self.of = check_of(of, 'Attention')

    def check_model(self, model: Any) -> None:
        """Refuse a network without attention."""
        find_attention(model if self.at is None else module_at(model, self.at))

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
            shared = model.clean_pass_of(images) if hasattr(model, 'clean_pass_of') else None
            with heard_attention(attention, self.of) as maps:
                if shared is not None and not shared.ran:
                    _ = shared.outputs
                else:
                    run(model, images.to(dtype))
            found = maps(size[0], size[1])[: len(images)]
            return F.interpolate(found, size, mode='bilinear', align_corners=False)
