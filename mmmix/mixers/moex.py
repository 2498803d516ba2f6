"""MoEx."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import again, choice, number, settled
from ..ops.moments import moments, with_moments
from ..ops.pixels import take_rows

_DIMS = dict(pono=(1,), instance=(2, 3))


class MoEx(Mixer):
    r"""MoEx: features keep their own pattern and get the mean and deviation of the partner's.

    `On Feature Normalization and Data Augmentation <https://arxiv.org/abs/2002.11102>`_. Features are normalised, over
    the channels at each position as in positional normalisation, and given the moments of the partner's. The label is
    ``share`` of the own one and the rest of the partner's. The defaults are the paper's on CIFAR; on ImageNet it has
    ``share=0.9`` and ``prob=1``. It needs :class:`mmmix.MixClassifier`. Moments are float32, and the gradient goes
    through those of both.

    The default place is what comes out of the stem of mmpretrain's ``ResNet_CIFAR``; behind that of a ``ResNet`` for
    ImageNet it is ``at='backbone.maxpool'``.

    There is no deviation from the authors' code.

    Raises:
        ValueError: If an argument is out of range, or, once :class:`mmmix.MixClassifier` is built, if there is no such
            module.

    Example:
        >>> import torch
        >>> from mmmix import MoEx
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.MoEx', share=0.9)]))
        >>> mix = MoEx(prob=1.0).mix(torch.rand(4, 8, 6, 6), torch.eye(4))  # features that are given
        >>> mix.lam
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    shows_pixels = False
    share: float = number(default=0.5, least=0, most=1, doc="How much of the label is the own image's.")
    norm: str = choice(
        'pono',
        'instance',
        default='pono',
        doc="Over what moments are taken: ``'pono'`` the channels at each position, ``'instance'`` the positions of "
        'each channel.',
    )
    eps: float = number(default=1e-5, above=0, doc='Added to variances.')
    prob: float = again(default=0.25)
    alpha: float = settled(default=1.0)
    at: tuple[str, ...] = again(
        default=('backbone.relu',),
        none='the images',
        doc='Paths of modules whose output gets other moments; one is drawn each step.',
    )

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Always ``share``."""
        return torch.full((count,), self.share, device=device)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Exchange the moments; the mask is flat, and the label follows it."""
        dims, wide = _DIMS[self.norm], torch.promote_types(images.dtype, torch.float32)
        own = images.to(wide)
        other = moments(take_rows(pool, partner).to(wide), dims, self.eps)
        mixed = with_moments(own, moments(own, dims, self.eps), other, images.dtype)
        share = self.spread(share, images).view(-1, 1, 1, 1)
        # An image that is left alone comes back bit by bit.
        return torch.where(share < 1, mixed, images) if self.lam_mode == 'elem' else mixed, share
