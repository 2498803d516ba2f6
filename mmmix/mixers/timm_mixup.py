"""timm's ``Mixup``: Mixup or CutMix, by a coin."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..core import Built, Keep, Partners
from ..core.fields import again, choice, number, settled, state, whole
from ..core.host import host
from ..core.scene import Scene
from ..ops.boxes import Box, box_mask
from ..ops.draws import beta
from ..partners import Flip
from .cutmix import CutMix

#: timm's arguments, in their order.
_FIRST = ('mixup_alpha', 'cutmix_alpha', 'cutmix_minmax', 'prob', 'switch_prob', 'mode', 'correct_lam')


class TimmMixup(CutMix, first=(*_FIRST, 'label_smoothing', 'num_classes', 'mixup_off_epoch')):
    """TimmMixup: Mixup or CutMix, by a coin, with the arguments, defaults and pairs of ``timm.data.Mixup``.

    It takes the place of timm's ``mixup_fn``: labels are class indices ``(N,)`` and come back as smoothed scores, the
    batch is mixed with itself backwards (:class:`Flip`), and ``mixup_enabled = False`` switches it off. Any mixer here
    with ``num_classes`` can stand there; this one repeats what timm does.

    Deviations from timm: draws come from torch; images and labels are returned and yours stay as they were; an odd
    batch is mixed too, except with ``mode='half'``; labels may be scores ``(N, num_classes)``, and there is no
    ``multi_label`` (timm smooths such labels towards 0.5).

    Attributes:
        mixup_enabled (bool): Whether anything is mixed; for the loop to set.
        epoch (int, optional): The epoch, from 0, for the loop to set where ``mixup_off_epoch`` asks for it.

    Raises:
        TypeError: If an argument is unknown, or a part does not fit its role.
        ValueError: If an argument is out of range, neither of both is active, or half of an odd batch is asked for.
        RuntimeError: If ``mixup_off_epoch`` is given and nobody tells the epoch.

    Example:
        >>> import torch
        >>> from mmmix import TimmMixup
        >>> mixup_fn = TimmMixup(mixup_alpha=0.8, cutmix_alpha=1.0, mode='elem', label_smoothing=0.1, num_classes=10)
        >>> images, scores = mixup_fn(torch.rand(4, 3, 8, 8), torch.tensor([1, 0, 3, 9]))
        >>> scores.shape
        torch.Size([4, 10])
    """

    mixup_alpha: float = number(default=1.0, least=0, doc='Mixup draws Beta(alpha, alpha) of this; 0 is no Mixup.')
    cutmix_alpha: float = number(
        default=0.0, least=0, doc='CutMix draws Beta(alpha, alpha) of this; 0 is no CutMix, unless ``cutmix_minmax``.'
    )
    switch_prob: float = number(
        default=0.5,
        least=0,
        most=1,
        doc='Probability of CutMix in place of Mixup where both are active; the coin is tossed as often as ``mode`` '
        'draws.',
    )
    mode: str = choice(
        'batch',
        'pair',
        'elem',
        'half',
        default='batch',
        doc="Whether coins, ratio and box are drawn for the ``'batch'``, for each ``'pair'`` that meets, or for each "
        "image, ``'elem'``. ``'half'`` does that and returns the first half of the batch alone, mixed with the second: "
        'for a ``collate_fn``.',
    )
    mixup_off_epoch: int = whole(
        default=0,
        least=0,
        doc="From this epoch on nothing is mixed, as with ``--mixup-off-epoch`` of timm's training script; 0 is never. "
        'MMEngine tells the epoch; in a loop of your own set ``epoch``.',
    )
    label_smoothing: float = again(default=0.1)
    num_classes: int | None = again(default=1000)
    partners: Built[Partners] = again(default=None, stands_for=Flip, none='the batch backwards')
    alpha: float = settled(default=1.0)
    lam_mode: str = settled(default='batch')
    keep: Built[Keep | None] = settled()
    at: tuple[str, ...] = settled(default=('',))
    mixup_enabled: bool = state(default=True)
    epoch: int | None = state()
    #: Who gets CutMix: bool, as many as shares were drawn.
    _cut: Tensor = state()

    def __post_init__(self) -> None:
        """One of both must be active."""
        super().__post_init__()
        if self.cutmix_minmax is not None:
            self.cutmix_alpha = 1.0
        if not (self.mixup_alpha or self.cutmix_alpha):
            raise ValueError('TimmMixup: nothing is active: set `mixup_alpha` or `cutmix_alpha` above 0.')
        self.lam_mode = 'batch' if self.mode == 'batch' else 'elem'

    @property
    def picks(self) -> bool:
        """CutMix alone pastes pixels as they are."""
        return not self.mixup_alpha

    def chance(self) -> float:
        """``prob``, or 0 once mixing is switched off."""
        return self.prob if self.mixup_enabled and not self._is_over() else 0.0

    def _is_over(self) -> bool:
        """Whether the epoch from which on nothing is mixed has come."""
        if not self.mixup_off_epoch:
            return False
        epoch = host().epoch() if self.epoch is None else self.epoch
        if epoch is None:
            raise RuntimeError(
                'TimmMixup: `mixup_off_epoch` needs to know the epoch: set `mixer.epoch = epoch` at the start of each.'
            )
        return epoch >= self.mixup_off_epoch

    # ---------------------------------------------------------------------------------------------------- what is drawn

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Who gets CutMix, and the ratio by the law of the one or the other."""
        laws = [beta(alpha, count, device) if alpha else None for alpha in (self.cutmix_alpha, self.mixup_alpha)]
        if laws[0] is None or laws[1] is None:
            self._cut = torch.full((count,), laws[1] is None, device=device)
            return next(law for law in laws if law is not None)
        self._cut = torch.rand(count, device=device) < self.switch_prob
        return torch.where(self._cut, laws[0], laws[1])

    def draw_share(self, images: Tensor) -> Tensor:
        """The own shares, see :meth:`Mixer.draw_share`; the same for both of a pair."""
        share = super().draw_share(images)
        self._cut = self._of_pairs(self._cut)
        return self._of_pairs(share)

    def _of_pairs(self, drawn: Tensor) -> Tensor:
        """What was drawn for each image; with ``'pair'`` the second half has what the first one has, backwards."""
        n = len(drawn)
        return torch.cat([drawn[: (n + 1) // 2], drawn[: n // 2].flip(0)]) if self.mode == 'pair' else drawn

    def boxes(self, own: Tensor, share: Tensor | float) -> Box:
        """The boxes, see :class:`BoxMixer`; the same for both of a pair."""
        top, bottom, left, right = super().boxes(own, share)
        if not isinstance(share, Tensor):
            return top, bottom, left, right
        return self._of_pairs(top), self._of_pairs(bottom), self._of_pairs(left), self._of_pairs(right)

    # ----------------------------------------------------------------------------------------------- what becomes of it

    def meet(self, images: Tensor, scores: Tensor) -> Scene | None:
        """Who meets whom, see :meth:`Mixer.meet`; with ``'half'`` the first half of the batch alone."""
        if self.mode == 'half' and len(images) % 2:
            raise ValueError(
                f"TimmMixup: mode='half' needs an even batch, but got {len(images)} images: set drop_last=True."
            )
        scene = super().meet(images, scores)
        if scene is None or self.mode != 'half':
            return scene
        half = slice(len(images) // 2)
        self._cut = self._cut[half]
        rows: dict[str, Any] = {name: getattr(scene, name)[half] for name in ('own', 'own_scores', 'partner', 'share')}
        return replace(scene, **rows)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """CutMix of a whole batch pastes one box; else a mask tells, see :meth:`draw`."""
        one = self.lam_mode == 'batch' and bool(self._cut)
        blend: Callable = super().blend if one else super(CutMix, self).blend
        mixed: tuple[Tensor, Tensor] = blend(images, pool, partner, share)
        return mixed

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of a box for who gets CutMix, a flat one for the others."""
        flat = share[:, None, None, None]
        if self.lam_mode == 'batch':
            return flat, other
        boxes = box_mask(self.boxes(own, share), *own.shape[-2:])
        if not self.mixup_alpha:
            return boxes, other
        return torch.where(self._cut[:, None, None, None], boxes.float(), flat), other

    def check_model(self, model: Any) -> None:
        """Refuse a batch that gets smaller where each sample is to come out."""
        if self.mode == 'half':
            raise ValueError("TimmMixup: mode='half' is for a `collate_fn`: use another mode inside a classifier.")
