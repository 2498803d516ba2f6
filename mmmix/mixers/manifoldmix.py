"""ManifoldMix."""

from ..core.fields import again
from .mixup import Mixup


class ManifoldMix(Mixup):
    """Manifold Mixup: :class:`Mixup` of the images or of a layer's features, drawn anew each step, ``Mixup(at=[...])``.

    `Manifold Mixup: Better Representations by Interpolating Hidden States <https://arxiv.org/abs/1806.05236>`_. The
    default depths are the paper's for a ResNet: the images and the outputs of the first and second stage, with equal
    probability. It needs :class:`mmmix.MixClassifier`; the backbone stays as it is.

    Deviation from the authors' code: their ResNet has its activation in front of each convolution, mmpretrain's behind.

    Raises:
        ValueError: If an argument is out of range, or, once :class:`mmmix.MixClassifier` is built, if there is no such
            module.

    Example:
        >>> from mmmix import ManifoldMix
        >>> augments = dict(type='mmmix.ManifoldMix', alpha=2.0, at=['', 'backbone.layers.3', 'backbone.layers.6'])
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments))
        >>> ManifoldMix().at
        ('', 'backbone.layer1', 'backbone.layer2')
    """

    at: tuple[str, ...] = again(
        default=('', 'backbone.layer1', 'backbone.layer2'),
        none='',
        doc="Paths of modules whose output is mixed, ``''`` for the images; one is drawn each step. "
        "``'backbone.layers.3'`` is a block of a ViT, ``'backbone.stages.1'`` a stage of a Swin.",
    )
    alpha: float = again(default=2.0)
