"""What a transformer attends to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.fields import choice, text
from ..core.roles import Guide
from ..ops.devices import eager, without_autocast
from ..probes.attention import find_attention, heard_attention
from ..probes.modules import float_dtype, run
from ..probes.untouched import untouched


class Attention(Guide):
    """What a transformer attends to: the attention of one block, averaged over its heads.

    In a ViT it is what the class token pays to each patch; without a class token, as in a PVT, what all patches pay on
    average. In a Swin it is what each token is paid by its window on average, put together from all windows. The map
    has a value for each token, and as a map of pixels it is brought to the images' size bilinearly. Forward only, in
    eval mode, in the step's one clean pass where that is still to run: the attention is worked out from the block's own
    queries and keys (ViT) or heard from its softmax (Swin) by a temporary hook.

    It is exact, and tested to be, in mmpretrain's VisionTransformer, DistilledVisionTransformer, DeiT3 and BEiTViT, in
    SwinTransformer and SwinTransformerV2, and in the last stage of PCPVT and SVT. Other networks are refused.

    It is the attention that TransMix (`arXiv:2111.09833 <https://arxiv.org/abs/2111.09833>`_) reads labels from. Inside
    :class:`mmmix.MixClassifier` it shares the step's one clean pass, unless that ran before.

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
    at: str | None = text(
        default=None,
        what='the path of a block',
        optional=True,
        none='the last block that has attention',
        like='backbone.layers.11',
        doc="Path of the block, e.g. ``'backbone.layers.11'`` (ViT) or ``'backbone.stages.3.blocks.1'`` (Swin).",
    )
    of: str = choice(
        'class',
        'patches',
        default='class',
        doc="Whose attention: ``'class'``, the class token's, if there is one, or ``'patches'``, what all patches pay "
        'on average.',
    )

    def check_model(self, model: Any) -> None:
        """Refuse a network without attention."""
        find_attention(model, self.at)

    @eager
    @torch.no_grad()
    def grid(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """What each token is paid, ``(N, 1, rows, columns)``; see :meth:`Guide.grid`."""
        model = self.require_model()
        with untouched(model), without_autocast(images):
            shared = model.clean_pass_of(images) if hasattr(model, 'clean_pass_of') else None
            with heard_attention(model, self.at, self.of) as maps:
                if shared is not None and not shared.ran:
                    _ = shared.outputs
                else:
                    run(model, images.to(float_dtype(model)))
            return maps(images.shape[-2], images.shape[-1])[: len(images)]

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        return F.interpolate(self.grid(images, scores), images.shape[-2:], mode='bilinear', align_corners=False)
