"""ManifoldMix."""

from collections.abc import Sequence

from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mixup import Mixup


@BATCH_AUGMENTS.register_module()
class ManifoldMix(Mixup):
    """Manifold Mixup: :class:`Mixup` of the images or of a layer's features, drawn anew each step, ``Mixup(at=[...])``.

    `Manifold Mixup: Better Representations by Interpolating Hidden States <https://arxiv.org/abs/1806.05236>`_. The
    default depths are the paper's for a ResNet: the images and the outputs of the first and second stage, with equal
    probability. It needs :class:`mmmix.MixClassifier`; the backbone stays as it is.

    Deviation from the authors' code: their ResNet has its activation in front of each convolution, mmpretrain's behind.

    Args:
        at (str | Sequence[str]): Paths of modules whose output is mixed, ``''`` for the images; one is drawn each step.
            ``'backbone.layers.3'`` is a block of a ViT, ``'backbone.stages.1'`` a stage of a Swin. Defaults to
            ``('', 'backbone.layer1', 'backbone.layer2')``.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 2.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the share itself.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

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

    def __init__(
        self,
        at: str | Sequence[str] = ('', 'backbone.layer1', 'backbone.layer2'),
        alpha: float = 2.0,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite, at=at
        )
