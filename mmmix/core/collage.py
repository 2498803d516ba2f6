"""Mixers whose images are made of more than two: labels of many, and four images around one point."""

from dataclasses import replace

import torch
from torch import Tensor

from ..ops.boxes import Box
from ..ops.draws import permutation
from .arguments import Built
from .fields import settled, state
from .mix import Mix
from .mixer import Mixer
from .roles import Labels, Partners, Permutation


class Collage(Mixer, abstract=True):
    """Base of mixers that may show more than two images in one.

    ``Mix.scores`` is the whole mixture; ``Mix.lam`` is the share of the own image, ``Mix.partner`` the strongest other
    one and ``Mix.lam_partner`` its share. A subclass overrides :meth:`blend` and calls :meth:`tell_areas` there.
    """

    partners: Built[Partners] = settled(default=Permutation())
    labels: Built[Labels | None] = settled()
    _scores: Tensor | None = state()

    def find_partners(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Nobody yet: the method itself decides who is mixed in."""
        return None if len(images) == 1 else (images, scores, torch.arange(len(images), device=images.device))

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the method decides."""
        return torch.zeros(count, device=device)

    def tell_areas(self, area: Tensor) -> None:
        """Called by :meth:`blend`: how much of each image of the batch each mixed one shows, ``(N, N)``."""
        scene = self._scene
        if scene is None:
            return
        own = torch.arange(len(area), device=area.device)[:, None]
        strongest, scene.partner = area.scatter(1, own, -1.0).max(1)
        self.tell_shares(area.gather(1, own).squeeze(1), strongest.clamp(min=0))
        scores = scene.own_scores
        self._scores = (area @ scores.to(area.dtype)).to(scores.dtype)

    def finish(self, mixed: Tensor, mask: Tensor, pool: Tensor, pool_scores: Tensor, partner: Tensor) -> Mix:
        """The whole mixture in ``scores``, the strongest partner beside it."""
        assert self._scene is not None
        assert self._scores is not None
        mix = super().finish(mixed, mask, pool, pool_scores, self._scene.partner)
        scores, self._scores = self._scores, None
        return replace(mix, scores=scores)


class Quarters(Collage, abstract=True):
    """Base of mixers that put four images around one point: the own one at the top left, permutations elsewhere.

    A subclass says where the point lies, in :meth:`crossing`, and what becomes of an image in its quarter, in
    :meth:`fitted`. One point for the batch with ``'batch'``, one for each image with ``'elem'``.
    """

    def crossing(self, count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Row and column of the point where the four meet, ``(count,)`` each, from 0 to the sides of the image."""
        raise NotImplementedError(f'{type(self).__name__} must define crossing(count, height, width, device).')

    def fitted(self, images: Tensor, rows: Tensor, box: Box) -> Tensor:
        """The images of a quarter, ``(N, C, H, W)``, as they are to be seen in their boxes; what is outside is not.

        Args:
            images (Tensor): ``(N, C, H, W)`` images of the batch.
            rows (Tensor): ``(N,)`` which of them are in this quarter.
            box (Box): Where, ``(N,)`` or ``(1,)`` each, inside the image.
        """
        raise NotImplementedError(f'{type(self).__name__} must define fitted(images, rows, box).')

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the point and who is in each quarter, and put them there."""
        n, (height, width), device = len(images), images.shape[-2:], images.device
        down, across = self.crossing(share.numel(), height, width, device)
        if share.numel() > 1:
            down, across = torch.where(share == 1, height, down), torch.where(share == 1, width, across)
        zero = torch.zeros_like(down)
        whole_height, whole_width = zero + height, zero + width
        y, x = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)
        below, right = y >= down.view(-1, 1, 1, 1), x >= across.view(-1, 1, 1, 1)
        mixed, mask = None, torch.zeros((), dtype=torch.bool, device=device)
        area = torch.zeros(n, n, device=device)
        for quarter in range(4):
            rows = partner if quarter == 0 else permutation(n, device)
            top, bottom = (down, whole_height) if quarter > 1 else (zero, down)
            left, beyond = (across, whole_width) if quarter % 2 else (zero, across)
            inside = (below if quarter > 1 else ~below) & (right if quarter % 2 else ~right)
            found = self.fitted(images, rows, (top, bottom, left, beyond))
            mixed = found if mixed is None else torch.where(inside, found, mixed)
            mask = mask | (inside & (rows == partner).view(-1, 1, 1, 1))
            part = ((bottom - top) * (beyond - left)).float() / (height * width)
            area.scatter_add_(1, rows[:, None], part.expand(n)[:, None])
        assert mixed is not None
        if share.numel() > 1:
            mixed = torch.where((share == 1).view(-1, 1, 1, 1), images, mixed)
        if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
            mixed = mixed.contiguous(memory_format=torch.channels_last)
        else:
            mixed = mixed.contiguous()
        self.tell_areas(area)
        return mixed, mask.expand(n, 1, height, width)
