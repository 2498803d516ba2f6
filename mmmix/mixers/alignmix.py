"""AlignMix."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mix import Mixer
from .pixels import take_rows


@BATCH_AUGMENTS.register_module()
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

    Args:
        at (str | Sequence[str]): Paths of modules, ``''`` for the images; one is drawn each step. Defaults to
            ``('', 'backbone')``, the images or the last map of the backbone. In a ViT name a block, e.g.
            ``'backbone.layers.-1'``.
        eps (float): Weight of the entropy. Defaults to 0.1.
        iterations (int): Rounds of Sinkhorn. Defaults to 100.
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 2.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the share itself.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from mmmix import AlignMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.AlignMix')))
        >>> AlignMix(eps=0.05).at
        ('', 'backbone')
    """

    def __init__(
        self,
        at: str | Sequence[str] = ('', 'backbone'),
        eps: float = 0.1,
        iterations: int = 100,
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
        if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 < eps < float('inf'):
            raise ValueError(f'AlignMix: `eps` must be a number above 0, e.g. eps=0.1, but got {eps!r}.')
        if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 1:
            raise ValueError(f'AlignMix: `iterations` must be a positive whole number, but got {iterations!r}.')
        self.eps = float(eps)
        self.iterations = iterations

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A flat mask, as in :class:`Mixup`."""
        return share.view(-1, 1, 1, 1), other

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Images are blended as they are; of features one map is laid out as the other first."""
        if self._scene is None or pool is self._scene.pool:
            return super().blend(images, pool, partner, share)
        other = take_rows(pool, partner)
        plan = transport(images.detach(), other.detach(), self.eps, self.iterations).to(images.dtype)
        share = share.to(images.device).expand(len(images)).view(-1, 1, 1, 1)
        if bool(torch.rand(()) < 0.5):
            aligned = (other.flatten(2) @ plan.transpose(1, 2)).view_as(images)
            # Unmixed samples are blended with themselves at a share of 1, whichever map was laid out anew.
            return torch.lerp(aligned, images, share.to(images.dtype)), share
        aligned = (images.flatten(2) @ plan).view_as(images)
        aligned = torch.where(share < 1, aligned, images)
        return torch.lerp(other, aligned, share.to(images.dtype)), share


def transport(own: Tensor, other: Tensor, eps: float, iterations: int) -> Tensor:
    """The entropic optimal transport between the positions of two maps, for a whole batch, in float32.

    Args:
        own (Tensor): ``(N, C, h, w)``.
        other (Tensor): ``(N, C, h, w)``.
        eps (float): Weight of the entropy.
        iterations (int): Rounds of Sinkhorn; the marginals of ``other`` are met exactly after each.

    Returns:
        Tensor: ``(N, hw, hw)``, times ``hw``: each row and each column sums to 1.
    """
    with torch.autocast(own.device.type, enabled=False):
        a, b = (maps.float().flatten(2).transpose(1, 2) for maps in (own, other))
        kernel = -torch.cdist(a, b, compute_mode='donot_use_mm_for_euclid_dist').square() / eps
        rows = columns = kernel.new_zeros(())
        for _ in range(iterations):
            rows = -(kernel + columns).logsumexp(2, keepdim=True)
            columns = -(kernel + rows).logsumexp(1, keepdim=True)
        return (kernel + rows + columns).exp()
