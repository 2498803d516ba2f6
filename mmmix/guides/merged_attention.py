"""What a transformer that merges tokens attends to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.fields import number
from ..core.roles import Guide
from ..ops.devices import eager, without_autocast
from ..probes.merging import check_mergeable, merged_attention
from ..probes.modules import float_dtype
from ..probes.untouched import untouched


class MergedAttention(Guide):
    r"""What the last block of a ViT attends to when like patches are merged on the way: whole regions, not points.

    It is the map of MergeMix (`arXiv:2510.23479 <https://arxiv.org/abs/2510.23479>`_), with the merging of ToMe
    (`arXiv:2210.09461 <https://arxiv.org/abs/2210.09461>`_): behind the attention of each block but the last, the
    patches whose keys are most alike become one, until ``merged`` of them are gone. A token that stands for ``s``
    patches counts ``s`` times in each attention. The map is what the class token, or without one the average patch,
    pays to each patch, averaged over the heads; patches that were merged have the same value. It is a pass of its own,
    forward only, in eval mode, over fewer tokens than the step's clean pass.

    Exact, and tested to be, in mmpretrain's VisionTransformer and DistilledVisionTransformer; other networks are
    refused. With ``merged=0`` it is :class:`Attention`.

    Deviations from the authors' code: what a merged token is paid is divided among its patches, so that patches that
    are equal have what they would have unmerged; as many are merged in each block (theirs: fewer and fewer); the
    attention is the class token's, where theirs is what each patch pays to the class token.

    Raises:
        ValueError: If the network's blocks are not those of a plain ViT.
        RuntimeError: When called without a model: use :class:`mmmix.MixClassifier`, or :meth:`bind` one.

    Example:
        >>> import torch
        >>> from mmpretrain.models import ImageClassifier
        >>> from mmmix import MergedAttention
        >>> arch = dict(embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=64)
        >>> model = ImageClassifier(
        ...     backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32, patch_size=8),
        ...     head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=32),
        ... )
        >>> guide = MergedAttention(merged=0.5)
        >>> guide.bind(model)
        >>> guide(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    needs_model = True
    merged: float = number(
        default=0.25,
        least=0,
        below=1,
        doc='How much of the patches is merged away: their code has .25 for ImageNet and .5 for CIFAR-100. No block '
        'merges more than half of what it has.',
    )

    def check_model(self, model: Any) -> None:
        """Refuse a network whose tokens nobody here knows how to merge."""
        check_mergeable(model)

    @eager
    @torch.no_grad()
    def grid(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """What each patch is paid, ``(N, 1, rows, columns)``; see :meth:`Guide.grid`."""
        model = self.require_model()
        with untouched(model), without_autocast(images):
            return merged_attention(model, images.to(float_dtype(model)), self.merged)

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        """Rate every pixel; see :meth:`Guide.__call__`."""
        return F.interpolate(self.grid(images, scores), images.shape[-2:], mode='bilinear', align_corners=False)
