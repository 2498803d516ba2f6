"""MixPro's labels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.fields import number
from ..core.mix import Mix
from .attention import AttentionLabels, area_share


class ProgressiveAttention(AttentionLabels, first=('at',)):
    """Progressive attention labeling of MixPro: the better the network predicts, the more its attention counts.

    `MixPro: Data Augmentation with MaskMix and Progressive Attention Labeling for Vision Transformer
    <https://arxiv.org/abs/2304.12043>`_. The own share is ``s * attention + (1 - s) * area``, where ``s`` is the cosine
    between the predicted probabilities of the mixed image and its area label, smoothed as the authors' code smooths it.
    It needs :class:`mmmix.MixClassifier`.

    Deviation from the authors' code: a patch on the edge of the mask counts by its area, unless ``rounded=True``, and
    the head's loss decides whether the labels that it learns from are smoothed (theirs are not where attention counts).
    In a Swin the attention is what each token is paid by its window: ours, their code has attention labels for DeiT
    only.

    Raises:
        ValueError: If the attention of the network is not known.

    Example:
        >>> from mmmix import CutMix, ProgressiveAttention
        >>> mixer = CutMix(labels=ProgressiveAttention())
    """

    smoothing: float = number(
        default=0.1, least=0, below=1, doc='How much of the area label is spread over all classes for the cosine.'
    )

    def own_share(self, mix: Mix, attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """Area and attention, weighted by the cosine; see :meth:`AttentionLabels.own_share`."""
        label = torch.lerp(mix.scores.float(), mix.scores.new_full((), 1 / mix.scores.shape[1]).float(), self.smoothing)
        progress = F.cosine_similarity(predict().float().softmax(1), label, dim=1).clamp(0, 1)
        return torch.lerp(area_share(mix), attended, progress)
