"""Where a box may fall: KeepAugment's choice among all places of a box."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.fields import number, state
from ..core.roles import Keep
from ..ops.boxes import Box, box_sums, centred, draw_allowed
from ..ops.order import order_statistic


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


class QuantileKeep(Keep, abstract=True, first=('guide',)):
    """Base of KeepAugment's two choices: a box may fall where its importance lies on one side of a quantile.

    The candidates are all places that hold the whole box, in each image for itself. The threshold is an order statistic
    of their importances: the one just below the ``tau``-quantile for a cut, just above it for a paste, so that the
    choice keeps its side however quantiles are interpolated. A region at the threshold is allowed, so that flat maps
    and ``tau`` of 0 or 1 leave a choice. A box that got its size by being clipped stays at the border, where the mixer
    would have drawn it, as long as a place there is allowed.
    """

    #: Whether the box must be at most as important as the quantile, or at least.
    below = True
    tau: float = number(default=0.6, least=0, most=1, doc='The quantile.')
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
        cy, cx = draw_allowed(allowed)
        if self._listener is not None:
            box = centred(cy, cx, heights, widths)
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
