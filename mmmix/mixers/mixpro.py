"""MixPro: MaskMix with progressive attention labels."""

from ..core import Built, Labels
from ..core.fields import again
from ..labels import ProgressiveAttention
from .maskmix import MaskMix


class MixPro(MaskMix):
    r"""MixPro: :class:`MaskMix` whose labels follow the attention as far as the network predicts well.

    `MixPro: Data Augmentation with MaskMix and Progressive Attention Labeling for Vision Transformer
    <https://arxiv.org/abs/2304.12043>`_. ``MaskMix(labels=ProgressiveAttention())``: see there. It needs
    :class:`mmmix.MixClassifier` and a network whose attention :class:`Attention` can read. The authors mix half of the
    batches this way and half with Mixup or CutMix, by a list of ``augments``.

    Example:
        >>> from mmmix import MixPro
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.MixPro', mask_size=64)]))
        >>> MixPro(mask_size=64).labels
        ProgressiveAttention(at=None, smoothing=0.1, rounded=False)
    """

    labels: Built[Labels | None] = again(default=None, stands_for=ProgressiveAttention)
