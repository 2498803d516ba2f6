"""MixStyle."""

import torch
from torch import Tensor

from ..core import Built, Labels, Mixer
from ..core.fields import again, number, settled
from ..ops.moments import moments, with_moments
from ..ops.pixels import take_rows


class MixStyle(Mixer):
    r"""MixStyle: the mean and deviation of each channel are mixed with those of the partner's; the label stays.

    `Domain Generalization with MixStyle <https://arxiv.org/abs/2104.02008>`_. What a channel is like on average is the
    style of an image, in front of all of a domain such as sketches or photographs; mixing it makes up new ones. The
    gradient does not go through moments. It needs :class:`mmmix.MixClassifier`.

    In :class:`Mix` the mask and ``lam`` are 1: all that is to be seen is the own image.

    Deviations from the authors' code: it acts behind one of the places in ``at``, drawn each step, where theirs acts
    behind all of them; with ``'elem'`` the coin of ``prob`` is tossed for each image, theirs for the batch.

    Raises:
        ValueError: If an argument is out of range, or, once :class:`mmmix.MixClassifier` is built, if there is no such
            module.

    Example:
        >>> import torch
        >>> from mmmix import MixStyle
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.MixStyle')]))
        >>> mix = MixStyle(prob=1.0).mix(torch.rand(4, 8, 6, 6), torch.eye(4))  # features that are given
        >>> bool((mix.scores == torch.eye(4)).all())
        True
    """

    shows_pixels = False
    mask_tells = False
    eps: float = number(default=1e-6, above=0, doc='Added to variances.')
    alpha: float = again(default=0.1, doc="Parameter of the Beta(alpha, alpha) distribution of the own style's share.")
    prob: float = again(default=0.5)
    lam_mode: str = again(default='elem')
    labels: Built[Labels | None] = settled()
    at: tuple[str, ...] = again(
        default=('backbone.layer1', 'backbone.layer2'),
        none='the images',
        doc='Paths of modules behind which styles are mixed; one is drawn each step.',
    )

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the moments; the mask is 1 everywhere."""
        wide = torch.promote_types(images.dtype, torch.float32)
        features = images.to(wide)
        own = [each.detach() for each in moments(features, (2, 3), self.eps)]
        other = [each.detach() for each in moments(take_rows(pool, partner).to(wide), (2, 3), self.eps)]
        share = self.spread(share, images).view(-1, 1, 1, 1)
        mean, std = (torch.lerp(there, here, share.to(wide)) for here, there in zip(own, other, strict=True))
        mixed = with_moments(features, (own[0], own[1]), (mean, std), images.dtype)
        ones = torch.ones_like(share)
        return torch.where(share < 1, mixed, images) if self.lam_mode == 'elem' else mixed, ones

    def label_shares(self, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """All of the own label."""
        return mask.new_ones(count), mask.new_zeros(count)
