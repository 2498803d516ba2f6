"""Where a box may fall: KeepAugment's choice among all places of a box."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.fields import choice, number, state
from ..core.roles import Keep
from ..ops.boxes import Box, box_sums, centred, clipped, draw_allowed
from ..ops.order import order_statistic


@dataclass(frozen=True)
class Choice:
    """How a keep came to its boxes: what the paper's Figure 1 shows.

    Attributes:
        importance (Tensor): ``(N, 1, H, W)`` what the guide said.
        sums (Tensor): ``(N, H, W)`` importance of the box around each centre; it means something at candidates only.
        candidates (Tensor): ``(N, H, W)`` bool, the centres that were rated.
        allowed (Tensor): ``(N, H, W)`` bool, those on the right side of the quantile, among which the box was drawn.
        box (Box): What is visible of the boxes that were drawn: top, bottom, left and right, ``(N,)`` each.
    """

    importance: Tensor
    sums: Tensor
    candidates: Tensor
    allowed: Tensor
    box: Box


class QuantileKeep(Keep, abstract=True, first=('guide',)):
    """Base of KeepAugment's two choices: a box may fall where its importance lies on one side of a quantile.

    The threshold is an order statistic of the importances of all candidates, in each image for itself: the one just
    below the ``tau``-quantile for a cut, just above it for a paste, so that the choice keeps its side however quantiles
    are interpolated. A region at the threshold is allowed, so that flat maps and ``tau`` of 0 or 1 leave a choice.

    The paper speaks of "all possible candidate regions" of "an region size of interest", which can be read in two ways.
    ``'inside'``: a box keeps the size that it had after it was clipped at the border, and its candidates are all places
    that hold it whole; one that was clipped stays at the border, where the mixer would have drawn it, as long as a
    place there is allowed. The law of the label shares is the mixer's own. ``'clipped'``: the candidates are the
    mixer's own places, with the box clipped there. More salience is spared, and less is cut: the places at the border,
    where boxes are small, are the least important ones. With both, ``tau=1`` (0 for a paste) is the mixer alone.
    """

    #: Whether the box must be at most as important as the quantile, or at least.
    below = True
    tau: float = number(default=0.6, least=0, most=1, doc='The quantile.')
    candidates: str = choice(
        'inside',
        'clipped',
        default='inside',
        doc="Which places a mixer's box is rated at: ``'inside'``, whole boxes of the clipped size, or ``'clipped'``, "
        "the mixer's own places, where the border clips the box.",
    )
    _listener: list[Choice] | None = state()

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
        return self._draw(importance, sums, candidates, allowed, heights, widths)

    def move(self, importance: Tensor, box: Box, own_places: Tensor | None) -> Box:
        """Move boxes to allowed places, by the reading of ``candidates``; see :meth:`Keep.move`."""
        n, _, height, width = importance.shape
        top, bottom, left, right = (side.expand(n) for side in box)
        full = bottom - top, right - left
        if self.candidates == 'inside':
            top, bottom, left, right = clipped((top, bottom, left, right), height, width)
            sides = bottom - top, right - left
            centre = self(importance, *sides, (sides[0] < full[0], sides[1] < full[1]))
            return centred(*centre, *sides)
        sums, inside = self.rate(importance, *full)
        rated = torch.ones_like(inside) if own_places is None else own_places
        centre = self._draw(importance, sums, rated, self.allow(sums, rated, *full), *full)
        return centred(*centre, *full)

    def _draw(
        self, importance: Tensor, sums: Tensor, candidates: Tensor, allowed: Tensor, heights: Tensor, widths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One of the allowed centres of each map; whoever listens is told."""
        cy, cx = draw_allowed(allowed)
        if self._listener is not None:
            box = clipped(centred(cy, cx, heights, widths), *importance.shape[-2:])
            self._listener.append(Choice(importance, sums, candidates, allowed, box))
        return cy, cx


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
        >>> from mmmix.keeps import choices_of
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
