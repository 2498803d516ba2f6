"""CutMix, and what all mixers that paste one box have in common."""

import torch
from torch import Tensor

from ..registry import BATCH_AUGMENTS
from .boxes import Box, area_size, box_mask, centred, clipped, random_index
from .mix import Mixer


class BoxMixer(Mixer):
    """Base of mixers that paste one box of the partner into the same place of the own image.

    A subclass overrides :meth:`box_size`, :meth:`place` or :meth:`boxes`. ``keep`` moves each box, after it was
    clipped, to another place that it could have had at that size: the share of the label stays what the method drew.
    """

    cuts = True

    def box_size(self, share: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Heights and widths of the boxes before they are clipped, ``(N,)`` each, for own shares ``(N,)``."""
        return area_size(share, height, width)

    def boxes(self, own: Tensor, share: Tensor) -> Box:
        """Place the boxes: a uniform centre, clipped at the border, then moved by ``keep``.

        Args:
            own (Tensor): ``(N, C, H, W)`` images of the batch.
            share (Tensor): ``(N,)`` own shares, or ``(1,)`` for one size in the whole batch.

        Returns:
            Box: Four integer tensors of as many boxes as shares, or ``(N,)`` with a ``keep``.
        """
        height, width = own.shape[-2:]
        full = self.box_size(share, height, width)
        box = self.place(*full, height, width)
        if self.keep is None:
            return box
        top, bottom, left, right = (side.expand(len(own)) for side in box)
        heights, widths = bottom - top, right - left
        importance = self.importance(own, self.keep.guide)
        at_border = heights < full[0], widths < full[1]
        cy, cx = self.keep(importance, heights, widths, at_border)
        return centred(cy, cx, heights, widths)

    def place(self, heights: Tensor, widths: Tensor, height: int, width: int) -> Box:
        """Where boxes of these sizes fall before ``keep`` moves them: a uniform centre, clipped at the border."""
        cy, cx = (random_index(size, len(heights), heights.device) for size in (height, width))
        return clipped(centred(cy, cx, heights, widths), height, width)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of the boxes: one for the batch with ``'batch'``, which ``keep`` moves in each image by itself."""
        return box_mask(self.boxes(own, share[:1] if self.lam_mode == 'batch' else share), *own.shape[-2:]), other


@BATCH_AUGMENTS.register_module()
class CutMix(BoxMixer):
    r"""CutMix: a box of the partner replaces the same box of the own image.

    `CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features
    <https://arxiv.org/abs/1905.04899>`_. The box has the sides of the image times ``sqrt(1 - share)``, a uniform
    centre, and is clipped at the border; the labels follow the clipped area. On CIFAR the paper uses ``prob=0.5``.

    Deviations from the authors' code: boxes of an odd height or width keep it (theirs lose a row), and
    ``lam_mode='elem'`` draws one ratio and one box per sample.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio and one box a batch) or ``'elem'`` (one a sample). Defaults to
            ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        keep (Keep | dict, optional): Where the cut may fall, e.g. :class:`SelectiveCut`. It moves the clipped box and
            never resizes it. Defaults to None, anywhere.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import CutMix
        >>> mix = CutMix(alpha=1.0, lam_mode='elem').mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool(torch.equal(mix.lam, mix.mask.mean((1, 2, 3))))
        True
    """

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for the whole batch is pasted as a slice, which moves only the box; all else is the general case."""
        if share.numel() > 1 or self.keep is not None:
            return super().blend(images, pool, partner, share)
        top, bottom, left, right = (int(side) for side in self.boxes(images, share.cpu()))
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = pool[..., top:bottom, left:right].index_select(0, partner)
        mask = images.new_ones((1, 1, *images.shape[-2:]), dtype=torch.float32)
        mask[..., top:bottom, left:right] = 0
        return mixed, mask
