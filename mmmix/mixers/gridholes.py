"""GridHoles."""

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import span


class GridHoles(Mixer):
    r"""GridHoles: the partner is seen through regular holes in a part of the own image.

    OpenMixup's ``gridmix``, after `GridMixup <https://github.com/IlyaDobrynin/GridMixup>`_, under a name of its own:
    the paper of that name is :class:`GridMix`. A box with a share of ``area`` of the image lies anywhere in it. It is
    divided into ``holes`` columns of patches, and a hole of ``sqrt(1 - share)`` of both sides is cut at the corner of
    each patch, at least one pixel and at most all but one. Labels follow the area, so that the own share is large.

    Deviations from OpenMixup's code: a box that would be higher or wider than the image is as high or wide as it;
    ``lam_mode='elem'`` draws everything for each image.

    Example:
        >>> import torch
        >>> from mmmix import GridHoles
        >>> mix = GridHoles().mix(torch.rand(4, 3, 32, 32), torch.eye(4))
        >>> bool(torch.allclose(mix.lam, mix.mask.mean((1, 2, 3))))
        True
    """

    holes: tuple[int, int] = span(default=(2, 6), least=1, whole=True, doc='The range of how many holes lie in a row.')
    area: tuple[float, float] = span(
        default=(0.5, 1.0), above=0, most=1, doc="The range of the box's share of the image."
    )
    aspect: tuple[float, float] = span(default=(0.5, 2.0), above=0, doc='The range of height over width of the box.')
    hole_aspect: tuple[float, float] = span(
        default=(1.0, 1.0), above=0, doc='The range of height over width of a patch.'
    )

    @property
    def picks(self) -> bool:
        """Cells are pasted as they are."""
        return True

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One pattern for the batch with ``'batch'``, one for each image with ``'elem'``."""
        share, (height, width) = self.of_masks(share), own.shape[-2:]
        count, device = len(share), own.device

        def between(limits: tuple[float, float]) -> Tensor:
            return limits[0] + (limits[1] - limits[0]) * torch.rand(count, device=device)

        low, high = self.holes
        columns = torch.randint(low, high + 1, (count,), device=device)
        aspect = between(self.aspect)
        wide = (height * width * between(self.area) / aspect).sqrt().long()
        tall = (wide * aspect).long().clamp(1, height)
        wide = wide.clamp(1, width)
        top, left = ((side * torch.rand(count, device=device)).long() for side in (height - tall, width - wide))
        step_x = (wide + columns - 1) // columns
        step_y = (step_x * between(self.hole_aspect)).long().clamp(min=1)
        size = (1 - share).sqrt()
        y = (torch.arange(height, device=device) - top[:, None])[:, :, None]
        x = (torch.arange(width, device=device) - left[:, None])[:, None, :]
        sides = [torch.minimum((step * size).long().clamp(min=1), step - 1)[:, None, None] for step in (step_y, step_x)]
        inside = (y >= 0) & (y < tall[:, None, None]) & (x >= 0) & (x < wide[:, None, None])
        hole = inside & (y % step_y[:, None, None] < sides[0]) & (x % step_x[:, None, None] < sides[1])
        return (~hole | (share == 1)[:, None, None])[:, None], other
