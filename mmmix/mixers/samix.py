"""SAMix."""

from torch import Tensor, nn

from ..core.fields import again, number, settled
from ..learned import SAMixBlock
from .automix import AutoMix


class SAMix(AutoMix, first=('alpha',)):
    """SAMix: :class:`AutoMix` with a block that is asked by both images, and masks that are paid for contrast.

    `Boosting Discriminative Visual Representation Learning with Scenario-Agnostic Mixup
    <https://arxiv.org/abs/2111.15454>`_. The block is :class:`SAMixBlock`; from the loss on the mask ``variance`` times
    the variance of each mask's pixels is taken off; masks are enlarged bilinearly. Steps, teacher, labels and cost are
    those of :class:`AutoMix`; what is learned is ``learned.samix``.

    The authors' settings: on CIFAR ``curve=0.25``, elsewhere ``curve=None``; on ImageNet ``dropout=0.1``. On CIFAR and
    Tiny-ImageNet their teacher's loss weighs absent classes by one half, which changes nothing: in a soft cross entropy
    their labels are 0.

    Deviations from the authors' code: those of :class:`AutoMix`, except that this block always sees the share; between
    the two convolutions of the values is a ReLU and nothing else, which is our reading: a batch norm would take out the
    scale of a share that the whole batch has. ``as_released=True`` rescales masks to the share of the other draw.

    Raises:
        TypeError: If an argument is unknown, or the model does not train what a part learns.
        ValueError: If an argument is out of range, the network has no such feature map, or the head wants the clean
            images without a graph.
        RuntimeError: If there is no :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import SAMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.SAMix')]))
        >>> SAMix().upsample
        'bilinear'
    """

    at: tuple[str, ...] = settled(default=('',))
    upsample: str = again(default='bilinear')
    curve: float | None = number(
        default=0.25,
        above=0,
        optional=True,
        like=0.25,
        doc='How the share scales features, see :class:`SAMixBlock`; None for the share as it is.',
    )
    dropout: float = number(default=0.0, least=0, below=1, doc='Dropout in the values of the block.')
    variance: float = number(default=2.0, least=0, doc="Weight of a mask's variance, beside ``mask_weight``.")

    def build_block(self, width: int) -> nn.Module:
        """The block, for features of so many channels."""
        return SAMixBlock(width, curve=self.curve, dropout=self.dropout, upsample=self.upsample)

    def mask_loss(self, mask: Tensor, share: Tensor) -> Tensor:
        """What :class:`AutoMix` has, less the variance of the pixels of each mask."""
        return super().mask_loss(mask, share) - self.variance * mask.flatten(1).var(1, correction=0).mean()
