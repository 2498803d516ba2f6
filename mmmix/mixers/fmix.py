"""FMix."""

from torch import Tensor

from ..core import Mixer
from ..core.fields import choice, number
from ..ops.masks import low_frequency_field, top_share, two_columns_field


class FMix(Mixer, first=('alpha',)):
    r"""FMix: the mask is a random low-frequency image, cut at the height that gives the drawn share.

    `FMix: Enhancing Mixed Sample Data Augmentation <https://arxiv.org/abs/2002.12047>`_. Complex Gaussian noise on the
    grid of frequencies is divided by ``max(f, 1 / max(H, W)) ** decay_power`` and transformed back; the highest floor
    or ceil (tossed) of ``share * H * W`` pixels are the own image's. The labels are the mean of the mask.

    Deviations from the authors' code: all directions have the same power, as in the paper. Their code takes rows of its
    noise for real and imaginary parts, so that of the frequencies from left to right 0 and 1 are left: each row of a
    mask is one interval, which may go on at the other side. OpenMixup copied it, and the published figures come from
    such masks; ``spectrum='two_columns'`` draws them. Any height and width; ``'elem'`` draws one mask per sample; the
    labels are the mean of the mask, theirs the drawn share; the transform runs on the images' device in float32.

    Example:
        >>> import torch
        >>> from mmmix import FMix
        >>> mix = FMix(lam_mode='elem').mix(torch.rand(4, 3, 9, 8), torch.eye(4))
        >>> bool(((mix.mask == 0) | (mix.mask == 1)).all())
        True
    """

    decay_power: float = number(default=3.0, least=0, doc='How fast high frequencies fade.')
    max_soft: float = number(
        default=0.0,
        least=0,
        most=0.5,
        like=0.1,
        doc='Half the width of the soft edge, as a fraction of all pixels; it shrinks where a share lies closer to 0 '
        'or 1. 0 is a hard edge.',
    )
    spectrum: str = choice(
        'isotropic',
        'two_columns',
        default='isotropic',
        doc="``'isotropic'`` has all directions alike, ``'two_columns'`` has what is left in the authors' code: from "
        'left to right the frequencies 0 and 1.',
    )

    @property
    def picks(self) -> bool:
        """A mask with a hard edge blends nothing."""
        return not self.max_soft

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One mask for the batch with ``'batch'``, one for each image with ``'elem'``."""
        share = self.of_masks(share)
        height, width = own.shape[-2:]
        field_of = two_columns_field if self.spectrum == 'two_columns' else low_frequency_field
        field = field_of(len(share), height, width, self.decay_power, own.device)
        mask = top_share(field.flatten(1), share, self.max_soft)
        return mask.view(-1, 1, height, width), other
