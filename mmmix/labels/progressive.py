"""MixPro's labels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.mix import Mix
from .attention import AttentionLabels, area_share


class ProgressiveAttention(AttentionLabels):
    """Progressive attention labeling of MixPro: the better the network predicts, the more its attention counts.

    `MixPro: Data Augmentation with MaskMix and Progressive Attention Labeling for Vision Transformer
    <https://arxiv.org/abs/2304.12043>`_. The own share is ``s * attention + (1 - s) * area``, where ``s`` is the cosine
    between the predicted probabilities of the mixed image and its area label. It needs :class:`mmmix.MixClassifier`.

    Deviation from the authors' code: a patch on the edge of the mask counts by its area. In a Swin the attention is
    what each token is paid by its window: ours, their code has attention labels for DeiT only.

    Raises:
        ValueError: If the network has no attention.

    Example:
        >>> from mmmix import CutMix, ProgressiveAttention
        >>> mixer = CutMix(labels=ProgressiveAttention())
    """

    def own_share(self, mix: Mix, attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """Area and attention, weighted by the cosine; see :meth:`AttentionLabels.own_share`."""
        progress = F.cosine_similarity(predict().float().softmax(1), mix.scores.float(), dim=1).clamp(0, 1)
        return torch.lerp(area_share(mix), attended, progress)
