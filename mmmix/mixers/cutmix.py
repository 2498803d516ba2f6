"""CutMix."""

from typing import Any

from torch import Tensor

from ..core import BoxMixer
from ..ops.boxes import Box, Side, Size, box_mask, clipped, whole_inside
from ..ops.pixels import paste, paste_each, worth_a_loop
from .minmax import Minmax, inside_place, sides_between


class CutMix(
    Minmax,
    BoxMixer,
    first=('alpha', 'prob', 'lam_mode', 'partners', 'keep', 'labels', 'check_finite', 'at'),
):
    r"""CutMix: a box of the partner replaces the same box of the own image.

    `CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features
    <https://arxiv.org/abs/1905.04899>`_. The box has the sides of the image times ``sqrt(1 - share)``, a uniform
    centre, and is clipped at the border; the labels follow the clipped area. On CIFAR the paper uses ``prob=0.5``.

    Deviations from the authors' code: boxes of an odd height or width keep it (theirs lose a row), and
    ``lam_mode='elem'`` draws one ratio and one box per sample.

    Example:
        >>> import torch
        >>> from mmmix import CutMix
        >>> mix = CutMix(alpha=1.0, lam_mode='elem').mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool(torch.equal(mix.lam, mix.mask.mean((1, 2, 3))))
        True
    """

    @property
    def picks(self) -> bool:
        """Boxes are pasted as they are."""
        return True

    def box_size(self, share: Any, height: int, width: int) -> Size:
        """The sides of the boxes: by the share, or uniform with ``cutmix_minmax``; see :class:`BoxMixer`."""
        if self.cutmix_minmax is None:
            return super().box_size(share, height, width)
        return sides_between(self.cutmix_minmax, share, height, width)

    def place(self, heights: Side, widths: Side, height: int, width: int) -> Box:
        """Around a uniform centre, or with ``cutmix_minmax`` anywhere inside the image; see :class:`BoxMixer`."""
        if self.cutmix_minmax is None:
            return super().place(heights, widths, height, width)
        return inside_place(heights, widths, height, width)

    def own_places(self, heights: Tensor, widths: Tensor, height: int, width: int) -> Tensor | None:
        """The centres that boxes are drawn around; see :class:`BoxMixer`."""
        return None if self.cutmix_minmax is None else whole_inside(heights, widths, height, width)

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for the whole batch is pasted as a slice, and so are those of large images on a CPU."""
        height, width = images.shape[-2:]
        if share.numel() == 1 and self.keep is None:
            top, bottom, left, right = box = clipped(self.boxes(images, float(share)), height, width)
            patches = pool[..., top:bottom, left:right]
            return paste(images, box, patches, partner, self.may_overwrite(images))
        if not worth_a_loop(images) or images.requires_grad or pool.requires_grad:
            return super().blend(images, pool, partner, share)
        box = clipped(self.boxes(images, share), height, width)
        rows, overwrite = partner.tolist(), self.may_overwrite(images)

        def patch(i: int, y: slice, x: slice) -> Tensor:
            taken = pool[rows[i], :, y, x]
            return taken.clone() if overwrite else taken

        return paste_each(images, box, patch, overwrite), box_mask(box, height, width)
