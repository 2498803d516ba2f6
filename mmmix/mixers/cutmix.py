"""CutMix, and what all mixers that paste one box have in common."""

from typing import Any

from torch import Tensor

from ..registry import BATCH_AUGMENTS
from .boxes import Box, Side, Size, area_size, box_mask, centred, clipped, random_centre
from .mix import Mixer
from .pixels import paste, paste_each

#: Values of an image from which on a CPU copies a box sooner than it looks at all pixels.
_WORTH_A_LOOP = 2**15


class BoxMixer(Mixer):
    """Base of mixers that paste one box of the partner into the same place of the own image.

    A subclass overrides :meth:`box_size`, :meth:`place` or :meth:`boxes`; one of :class:`CutMix` must not override
    :meth:`draw` alone, which is not asked where boxes are pasted as slices. ``keep`` moves each box, after it was
    clipped, to another place that it could have had at that size: the share of the label stays what the method drew.
    """

    cuts = True

    def box_size(self, share: Any, height: int, width: int) -> Size:
        """Heights and widths of the boxes before they are clipped, for own shares ``(N,)`` or one number."""
        return area_size(share, height, width)

    def boxes(self, own: Tensor, share: Tensor | float) -> Box:
        """Place the boxes: a uniform centre, clipped at the border, then moved by ``keep``.

        Args:
            own (Tensor): ``(N, C, H, W)`` images of the batch.
            share (Tensor | float): ``(N,)`` own shares, ``(1,)`` for one size in the whole batch, or a number for one
                box on the host.

        Returns:
            Box: Four integer tensors of as many boxes as shares, which may stick out of the image, or ``(N,)`` inside
            it with a ``keep``; four integers for a number.
        """
        height, width = own.shape[-2:]
        full = self.box_size(share, height, width)
        box = self.place(*full, height, width)
        if self.keep is None:
            return box
        top, bottom, left, right = (side.expand(len(own)) for side in clipped(box, height, width))
        heights, widths = bottom - top, right - left
        importance = self.importance(own, self.keep.guide)
        at_border = heights < full[0], widths < full[1]
        cy, cx = self.keep(importance, heights, widths, at_border)
        return centred(cy, cx, heights, widths)

    def place(self, heights: Side, widths: Side, height: int, width: int) -> Box:
        """Where boxes of these sizes fall before they are clipped and ``keep`` moves them: a uniform centre."""
        return centred(*random_centre(heights, height, width), heights, widths)

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
        """One box for the whole batch is pasted as a slice, and so are those of large images on a CPU."""
        height, width = images.shape[-2:]
        if share.numel() == 1 and self.keep is None:
            top, bottom, left, right = box = clipped(self.boxes(images, float(share)), height, width)
            return paste(images, box, pool[..., top:bottom, left:right], partner)
        keeps_graph = images.requires_grad or pool.requires_grad
        if images.device.type != 'cpu' or images[0].numel() < _WORTH_A_LOOP or keeps_graph:
            return super().blend(images, pool, partner, share)
        box = clipped(self.boxes(images, share), height, width)
        rows = partner.tolist()
        return paste_each(images, box, lambda i, y, x: pool[rows[i], :, y, x]), box_mask(box, height, width)
