"""Where a cut may fall: KeepAugment's choice among all places of a box."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .mixers.boxes import Box, box_sums, centred, draw_allowed
from .part import Guide, Keep, build_part
from .registry import TASK_UTILS

__all__ = ['Choice', 'Keep', 'SelectiveCut', 'SelectivePaste', 'choices_of']


class QuantileKeep(Keep):
    """Base of KeepAugment's two choices: a box may fall where its importance lies on one side of a quantile.

    The candidates are all places that hold the whole box, in each image for itself. The threshold is an order statistic
    of their importances: the one just below the ``tau``-quantile for a cut, just above it for a paste, so that the
    choice keeps its side however quantiles are interpolated. A region at the threshold is allowed, so that flat maps
    and ``tau`` of 0 or 1 leave a choice. A box that got its size by being clipped stays at the border, where the mixer
    would have drawn it, as long as a place there is allowed.
    """

    #: Whether the box must be at most as important as the quantile, or at least.
    below: bool
    _listener: 'list[Choice] | None' = None

    def __init__(self, guide: Guide | dict, tau: float = 0.6):
        name = type(self).__name__
        if isinstance(tau, bool) or not isinstance(tau, (int, float)) or not 0 <= tau <= 1:
            raise ValueError(f'{name}: `tau` is a quantile and must lie in [0, 1], e.g. tau=0.6, but got {tau!r}.')
        built = build_part(guide, Guide, 'guide')
        if built is None:
            raise TypeError(f"{name} needs a guide, e.g. guide=dict(type='mmmix.InputGradient').")
        self.guide = built
        self.tau = float(tau)

    def allowed(
        self, importance: Tensor, heights: Tensor, widths: Tensor, clipped: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """All places on this side of the quantile; see :meth:`Keep.allowed`."""
        return self.allow(*self.rate(importance, heights, widths), heights, widths, clipped)

    def rate(self, importance: Tensor, heights: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Rate every candidate.

        Returns:
            tuple[Tensor, Tensor]: The importance of the box around each centre, and which centres hold the whole box,
            ``(N, H, W)`` each. A guide that overflowed says nothing: NaN counts as 0.
        """
        return box_sums(importance.nan_to_num(), heights, widths)

    def allow(
        self,
        sums: Tensor,
        candidates: Tensor,
        heights: Tensor,
        widths: Tensor,
        clipped: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """The candidates on this side of the quantile, from what :meth:`rate` gave."""
        threshold = order_statistic(sums.flatten(1), candidates.flatten(1), self.tau, self.below)[:, :, None]
        allowed = candidates & (sums <= threshold if self.below else sums >= threshold)
        if clipped is None:
            return allowed
        at_border = allowed
        for dim, (size, was_clipped) in enumerate(zip((heights, widths), clipped, strict=True), start=1):
            # Whatever the other side, the outermost candidates touch the border.
            centre = torch.arange(sums.shape[dim], device=sums.device)
            first = (size // 2)[:, None]
            touches = (centre == first) | (centre == sums.shape[dim] - size[:, None] + first)
            at_border = at_border & (touches | ~was_clipped[:, None]).unsqueeze(3 - dim)
        return torch.where(at_border.flatten(1).any(1)[:, None, None], at_border, allowed)

    def __call__(
        self, importance: Tensor, heights: Tensor, widths: Tensor, clipped: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw a centre for each box, uniformly among the allowed ones; see :meth:`Keep.__call__`."""
        sums, candidates = self.rate(importance, heights, widths)
        allowed = self.allow(sums, candidates, heights, widths, clipped)
        cy, cx = draw_allowed(allowed)
        if self._listener is not None:
            box = centred(cy, cx, heights, widths)
            self._listener.append(Choice(importance, sums, candidates, allowed, box))
        return cy, cx


@dataclass(frozen=True)
class Choice:
    """How a keep came to its boxes: what the paper's Figure 1 shows.

    Attributes:
        importance (Tensor): ``(N, 1, H, W)`` what the guide said.
        sums (Tensor): ``(N, H, W)`` importance of the box around each centre; it means something at candidates only.
        candidates (Tensor): ``(N, H, W)`` bool, the centres that hold the whole box.
        allowed (Tensor): ``(N, H, W)`` bool, those on the right side of the quantile, among which the box was drawn.
        box (Box): The boxes that were drawn: top, bottom, left and right, ``(N,)`` each.
    """

    importance: Tensor
    sums: Tensor
    candidates: Tensor
    allowed: Tensor
    box: Box


@contextmanager
def choices_of(keep: QuantileKeep) -> Iterator[list[Choice]]:
    """Listen to a keep while a mixer runs, to draw how its boxes were chosen.

    Args:
        keep (QuantileKeep): ``mixer.keep``.

    Yields:
        list[Choice]: One entry for each batch that was mixed.

    Example:
        >>> import torch
        >>> from mmmix import KeepCutout, SpectralResidual
        >>> from mmmix.keep import choices_of
        >>> mixer = KeepCutout(SpectralResidual(), length=4)
        >>> with choices_of(mixer.keep) as choices:
        ...     images, scores = mixer(torch.rand(2, 3, 16, 16), torch.eye(2))
        >>> choices[0].importance.shape, choices[0].allowed.shape
        (torch.Size([2, 1, 16, 16]), torch.Size([2, 16, 16]))
    """
    heard: list[Choice] = []
    keep._listener = heard
    try:
        yield heard
    finally:
        keep._listener = None


def order_statistic(values: Tensor, chosen: Tensor, tau: float, below: bool) -> Tensor:
    """The chosen value of each row that lies at its ``tau``-quantile, without a sort and without a word from the host.

    Args:
        values (Tensor): ``(N, L)``.
        chosen (Tensor): ``(N, L)``, bool, at least one True a row.
        tau (float): The quantile, in [0, 1].
        below (bool): Among two neighbouring order statistics, whether to take the lower one.

    Returns:
        Tensor: ``(N, 1)``.
    """

    def rank(last: Any) -> Any:
        # The slack keeps 0.7 * 10 at 7: it is 7.000000000000001 in floating point.
        return (last * tau + 1e-9) // 1 if below else -((1e-9 - last * tau) // 1)

    # Rows have ranks of their own, selection has one for all: low fillers in each row make up the difference.
    common = int(rank(values.shape[1] - 1))
    lows = common - rank(chosen.sum(1, keepdim=True).double() - 1)
    filler = torch.where((~chosen).cumsum(1, dtype=torch.int32) <= lows, -float('inf'), float('inf'))
    return torch.where(chosen, values, filler).kthvalue(common + 1, 1, keepdim=True).values


@TASK_UTILS.register_module()
class SelectiveCut(QuantileKeep):
    """KeepAugment's selective cut: what is cut out is never among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box
    may fall only where the sum of the guide's map inside it is at most the ``tau``-quantile over all places of a box of
    that size in that image; among these places it falls uniformly. The paper samples and rejects; here all places are
    rated at once from an integral image, so the cost is fixed and the device never waits for the host.

    The box keeps the size that it had after it was clipped at the border, so the law of the label shares is the mixer's
    own. A box that was clipped is moved along the borders as long as one of these places is allowed, any other one over
    the whole image: ``tau=1`` is the mixer without a keep.

    Args:
        guide (Guide | dict): What is important, e.g. ``dict(type='mmmix.InputGradient')``.
        tau (float): The quantile, in [0, 1]. Defaults to 0.6.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If ``tau`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> from mmmix import CutMix, InputGradient, SelectiveCut
        >>> keep = SelectiveCut(guide=InputGradient(), tau=0.6)
        >>> keep.bind(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)))
        >>> images, scores = CutMix(keep=keep)(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    below = True


@TASK_UTILS.register_module()
class SelectivePaste(QuantileKeep):
    """KeepAugment's selective paste: what is pasted back is among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box
    may fall only where the sum of the guide's map inside it is at least the ``tau``-quantile over all places of a box
    of that size in that image; among these places it falls uniformly. It is :class:`SelectiveCut` of the negated map at
    ``1 - tau``. :class:`KeepPaste` uses it.

    Args:
        guide (Guide | dict): What is important, e.g. ``dict(type='mmmix.InputGradient')``.
        tau (float): The quantile, in [0, 1]. Defaults to 0.6.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If ``tau`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> from mmmix import SelectivePaste, SpectralResidual
        >>> keep = SelectivePaste(guide=SpectralResidual(), tau=1.0)
        >>> importance = torch.zeros(1, 1, 8, 8)
        >>> importance[..., 4:7, 2:5] = 1
        >>> size = torch.tensor([3])
        >>> [int(centre) for centre in keep(importance, size, size)]
        [5, 3]
    """

    below = False
