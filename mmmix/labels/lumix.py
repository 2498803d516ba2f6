"""LUMix's labels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..core.fields import number
from ..core.mix import Mix, with_shares
from ..core.roles import Labels
from ..ops.draws import beta
from .attention import area_share


class LUMix(Labels):
    """LUMix: label shares with a part of noise and a part of the network's own confidence.

    `LUMix: Improving Mixup by Better Modelling Label Uncertainty <https://arxiv.org/abs/2211.15846>`_. The own share is
    ``(1 - r_s - r_n) * area + r_n * noise + r_s * confidence``: noise from Beta(alpha, alpha) for each sample, and the
    confidence ``p_own / (p_own + p_partner)`` that the network has in the own label of the mixed image. It goes with
    any mixer and any network. With ``r_s=0`` it needs no :class:`mmmix.MixClassifier`. Images that were not mixed keep
    their label.

    The authors released no code and only the abstract of the paper was at hand: the form of the confidence and the
    defaults are ours.

    Raises:
        ValueError: If a weight is negative, they add to more than 1, or ``alpha`` is not above 0.

    Example:
        >>> import torch
        >>> from mmmix import LUMix, Mixup
        >>> mixer = Mixup(labels=LUMix(r_s=0.0, r_n=0.5))
        >>> images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool(torch.allclose(scores.sum(1), torch.ones(4)))
        True
    """

    r_s: float = number(default=0.1, least=0, most=1, doc='Weight of the confidence.')
    r_n: float = number(default=0.1, least=0, most=1, doc='Weight of the noise.')
    alpha: float = number(default=1.0, above=0, doc='Parameter of the noise.')

    def __post_init__(self) -> None:
        """Refuse weights that leave nothing to the area; without confidence no model is needed."""
        if self.r_s + self.r_n > 1:
            raise ValueError(
                f'LUMix: `r_s` and `r_n` must not add to more than 1, but got {self.r_s!r} and {self.r_n!r}.'
            )
        self.after_forward = self.needs_model = self.r_s > 0

    def shares(self, mix: Mix) -> tuple[Tensor, Tensor]:
        """Area and noise; see :meth:`Labels.shares`."""
        lam = self.perturbed(mix, area_share(mix))
        return lam, 1 - lam

    @contextmanager
    def watch(self, model: Any) -> Iterator[Callable[[Mix, Callable[[], Tensor]], Mix]]:
        """Area, noise and confidence; see :meth:`Labels.watch`."""

        def relabel(mix: Mix, predict: Callable[[], Tensor]) -> Mix:
            logits, classes = predict().float(), mix.pool_scores.argmax(1)
            own = logits.gather(1, classes[: len(logits), None])
            other = logits.gather(1, classes.index_select(0, mix.partner)[:, None])
            lam = self.perturbed(mix, torch.sigmoid(own - other).squeeze(1))
            return with_shares(mix, lam, 1 - lam)

        yield relabel

    def perturbed(self, mix: Mix, confidence: Tensor) -> Tensor:
        """The own shares, ``(N,)``."""
        area = area_share(mix)
        noise = beta(self.alpha, len(area), area.device)
        lam = (1 - self.r_s - self.r_n) * area + self.r_n * noise + self.r_s * confidence
        return torch.where(mix.mask.flatten(1).amin(1) == 1, area, lam)
