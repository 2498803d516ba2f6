"""RegMixup."""

from ..core.clean_loss import CleanLoss
from ..core.fields import again, settled
from .mixup import Mixup


class RegMixup(CleanLoss, Mixup):
    r"""RegMixup: :class:`Mixup` with ratios near one half, as a regulariser beside the loss on the clean images.

    `RegMixup: Mixup as a Regularizer Can Surprisingly Improve Accuracy and Out Distribution Robustness
    <https://arxiv.org/abs/2206.14502>`_. The loss is the cross entropy of the clean batch plus that of the mixed one.
    The paper takes ``alpha=10`` on CIFAR-100 and 20 on CIFAR-10. It needs :class:`mmmix.MixClassifier`. The same loss
    for other mixers is their ``clean_lam``: :class:`PuzzleMix`, :class:`CoMixup`.

    Deviations from the authors' code: the clean and the mixed batch go through the network one after the other, so that
    each has batch statistics of its own (theirs are of both together); the two losses are added, as in the paper, where
    their code takes the mean, so that with the same learning rate a step of ours is twice as long.

    Raises:
        TypeError: If the model adds no loss.
        ValueError: If an argument is out of range, or the head wants the clean pass without a graph.
        RuntimeError: Without a :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import RegMixup
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.RegMixup', alpha=20)]))
        >>> RegMixup().alpha, RegMixup().clean_lam
        (10.0, 1.0)
    """

    clean_lam: float = again(
        default=1.0,
        doc="Weight of the cross entropy of the clean batch, logged as ``loss_clean``, beside the head's loss of the "
        'mixed one.',
    )
    alpha: float = again(default=10.0)
    # The clean pass is one of images.
    at: tuple[str, ...] = settled(default=('',))
