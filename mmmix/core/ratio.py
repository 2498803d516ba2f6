"""How much of each image there is to be: the coin of ``prob``, the ratio, and for whom both are drawn."""

import torch
from torch import Tensor

from ..ops.draws import beta
from .fields import choice, number
from .part import Part


class Ratio(Part, abstract=True):
    """What a mixer draws before it looks at anything: whether it mixes, and the share of the own image."""

    alpha: float = number(
        default=1.0, above=0, doc='Parameter of the Beta(alpha, alpha) distribution of the own share.'
    )
    prob: float = number(
        default=1.0,
        least=0,
        most=1,
        like=0.5,
        doc="Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.",
    )
    lam_mode: str = choice(
        'batch',
        'elem',
        default='batch',
        doc="``'batch'`` draws one ratio for the batch, as the papers, ``'elem'`` one for each sample.",
    )

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """The law of the own shares, ``(count,)``, float32: Beta(alpha, alpha) unless the method says otherwise.

        A method that draws its geometry by another law gives a share below 1 here: :meth:`draw` must keep all of an own
        image whose share is 1, because ``prob`` left it unmixed.
        """
        return beta(self.alpha, count, device)

    def chance(self) -> float:
        """The probability of mixing at this moment: ``prob``, unless the method lets it grow."""
        return self.prob

    def draw_share(self, images: Tensor) -> Tensor:
        """Draw the own shares: ``(1,)`` on the host with ``'batch'``, else ``(N,)`` on the images' device."""
        if self.lam_mode == 'batch':
            return self.sample_share(1, torch.device('cpu'))
        share = self.sample_share(len(images), images.device)
        chance = self.chance()
        if chance < 1:
            share = torch.where(torch.rand_like(share) < chance, share, 1.0)
        return share

    def told_share(self, share: Tensor) -> Tensor | None:
        """What :class:`Mix` tells of the drawn shares; None where no ratio is drawn."""
        return share

    def spread(self, share: Tensor, images: Tensor) -> Tensor:
        """The drawn shares as ``(N,)`` on the images' device."""
        return torch.full((len(images),), float(share), device=images.device) if share.numel() == 1 else share

    def of_masks(self, share: Tensor) -> Tensor:
        """The shares of the masks to draw, from ``(N,)``: one for the batch with ``'batch'``, else one each."""
        return share[:1] if self.lam_mode == 'batch' else share

    def _lucky(self) -> bool:
        """Toss the coin of ``prob`` for a whole batch, on the host."""
        chance = self.chance()
        return chance == 1 or bool(torch.rand((), generator=self.coins) < chance)
