"""AlignMix."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import again, number, whole
from ..ops.pixels import take_rows
from ..ops.transport import sinkhorn


class AlignMix(Mixer):
    r"""AlignMix: before two feature maps are blended, one is laid out as the other.

    `AlignMixup: Improving Representations by Interpolating Aligned Features <https://arxiv.org/abs/2103.15375>`_. Each
    step mixes, with equal probability, the images as :class:`Mixup` does or the last feature map. There the optimal
    transport between the positions of both maps (squared Euclidean cost, entropy ``eps``, Sinkhorn) is found without a
    gradient; one of the two maps, drawn for the batch, is carried over to the layout of the other. It needs
    :class:`mmmix.MixClassifier`.

    Deviations from the authors' code: the logarithm of the marginals is exact (theirs adds 1e-8); Sinkhorn always makes
    ``iterations`` rounds where theirs stops at a mean change below 0.1, which makes the device wait for the host in
    every round. Transport costs the square of the number of positions: give ``at`` a small map.

    Example:
        >>> from mmmix import AlignMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.AlignMix')]))
        >>> AlignMix(eps=0.05).at
        ('', 'backbone')
    """

    shows_pixels = False
    at: tuple[str, ...] = again(
        default=('', 'backbone'),
        none='',
        doc="Paths of modules, ``''`` for the images; one is drawn each step. ``'backbone'`` is the last map of the "
        "backbone; in a ViT name a block, e.g. ``'backbone.layers.-1'``.",
    )
    eps: float = number(default=0.1, above=0, doc='Weight of the entropy.')
    iterations: int = whole(default=100, least=1, doc='Rounds of Sinkhorn.')
    alpha: float = again(default=2.0)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A flat mask, as in :class:`Mixup`."""
        return share.view(-1, 1, 1, 1), other

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Images are blended as they are; of features one map is laid out as the other first."""
        if self._scene is None or pool is self._scene.pool:
            return super().blend(images, pool, partner, share)
        other = take_rows(pool, partner)
        plan = sinkhorn(images.detach(), other.detach(), self.eps, self.iterations).to(images.dtype)
        share = share.to(images.device).expand(len(images)).view(-1, 1, 1, 1)
        if bool(torch.rand(()) < 0.5):
            aligned = (other.flatten(2) @ plan.transpose(1, 2)).view_as(images)
            # Unmixed samples are blended with themselves at a share of 1, whichever map was laid out anew.
            return torch.lerp(aligned, images, share.to(images.dtype)), share
        aligned = (images.flatten(2) @ plan).view_as(images)
        aligned = torch.where(share < 1, aligned, images)
        return torch.lerp(other, aligned, share.to(images.dtype)), share
