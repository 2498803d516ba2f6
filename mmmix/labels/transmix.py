"""TransMix's labels."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.fields import number
from ..core.mix import Mix
from .attention import AttentionLabels, area_share


class TransMix(AttentionLabels, first=('at',)):
    """TransMix: half of each label share is the area, the other half the attention that the image gets.

    `TransMix: Attend to Mix for Vision Transformers <https://arxiv.org/abs/2111.09833>`_. The attention is that of the
    class token to the patches in the last block, averaged over the heads, on the mixed image. It goes with any mixer of
    images, with :class:`CutMix` in the paper. It needs :class:`mmmix.MixClassifier` and a network whose attention
    :class:`Attention` can read.

    Deviations from the authors' code: a patch on the edge of the box counts by its area; ``rounded=True`` takes it as
    theirs does, by its first pixel (``benchmarks/fidelity.md`` has how far both lie apart). In a Swin, which the paper
    leaves out, the attention is what each token is paid by its window: ours.

    Raises:
        ValueError: If ``weight`` lies outside [0, 1], or the network has no attention.

    Example:
        >>> from mmmix import CutMix, TransMix
        >>> mixer = CutMix(labels=dict(type='mmmix.TransMix'))
        >>> mixer.labels
        TransMix(at=None, weight=0.5, rounded=False)
    """

    weight: float = number(default=0.5, least=0, most=1, doc="Weight of the attention, the rest is the area's.")

    def own_share(self, mix: Mix, attended: Tensor, predict: Callable[[], Tensor]) -> Tensor:
        """The mean of area and attention; see :meth:`AttentionLabels.own_share`."""
        return torch.lerp(area_share(mix), attended, self.weight)
