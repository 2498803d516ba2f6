"""Cutout, and what all mixers that erase one box have in common."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Keep
from ..registry import BATCH_AUGMENTS
from .boxes import box_mask, clipped
from .cutmix import BoxMixer
from .pixels import paste_each


class Eraser(BoxMixer):
    """Base of mixers that put something else into one box of each image and leave its label alone.

    A subclass overrides :meth:`box_size`, and :meth:`place` where its boxes do not have a uniform centre. Every image
    gets a box of its own, whatever ``lam_mode``: it only says for whom the coin of ``prob`` is tossed.

    Args:
        fill (float | str): What goes into the box: a number for all channels, after normalisation, or ``'random'`` for
            standard normal noise in every pixel and channel.
        prob (float): Probability of erasing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
        lam_mode (str): ``'batch'`` or ``'elem'``.
        keep (Keep | dict, optional): Where the box may fall.
        check_finite (bool): Whether to refuse NaN and infinity.
    """

    label_preserving = True

    def __init__(self, fill: float | str, prob: float, lam_mode: str, keep: Keep | dict | None, check_finite: bool):
        super().__init__(prob=prob, lam_mode=lam_mode, keep=keep, check_finite=check_finite)
        if fill != 'random' and (isinstance(fill, (bool, str)) or not isinstance(fill, (int, float))):
            raise ValueError(
                f"{type(self).__name__}: `fill` must be a number or 'random', e.g. fill=0.0, but got {fill!r}."
            )
        self.fill = fill

    def draw_share(self, images: Tensor) -> Tensor:
        """Whether each image is left alone: ``(N,)`` on their device, 1 leaves it, 0 erases a box of it."""
        share = torch.zeros(len(images), device=images.device)
        chance = self.chance()
        if self.lam_mode == 'elem' and chance < 1:
            share = (torch.rand_like(share) >= chance).float()
        return share

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """On a CPU noise is drawn for the boxes alone, in a loop; elsewhere one pass over all pixels is faster."""
        if images.device.type != 'cpu' or not isinstance(self.fill, str):
            return super().blend(images, pool, partner, share)
        height, width = images.shape[-2:]
        box = clipped(self.boxes(images, share), height, width)
        areas = ((box[1] - box[0]) * (box[3] - box[2])).tolist()
        noise = torch.randn(images.shape[1], sum(areas)).to(images.dtype).split(areas, 1)
        erased = paste_each(images, box, lambda i, y, x: noise[i].view(-1, y.stop - y.start, x.stop - x.start))
        return erased, box_mask(box, height, width)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One box for each image; ``other`` is the fill."""
        filling = self.filling(own)
        return box_mask(self.boxes(own, share), *own.shape[-2:]), filling

    def filling(self, own: Tensor) -> Tensor:
        """What is put in: a number, or noise of the images' shape."""
        if not isinstance(self.fill, str):
            return own.new_full((), self.fill)
        # Drawn by position and not by memory: the same noise for images in channels_last.
        return torch.randn(own.shape, device=own.device).to(own.dtype)


@BATCH_AUGMENTS.register_module()
class Cutout(Eraser):
    r"""Cutout: a square of fixed length is erased from each image.

    `Improved Regularization of Convolutional Neural Networks with Cutout <https://arxiv.org/abs/1708.04552>`_. The
    centre is uniform over the image and the square is clipped at the border; the label stays. On normalised images the
    default fill of 0 is the mean of the training set, as in the paper.

    Deviation from the authors' code: a square of odd length keeps it (theirs loses a row and a column).

    Args:
        length (int | Sequence[int]): Side of the square in pixels, or height and width. Defaults to 16, the paper's on
            CIFAR-10.
        fill (float | str): A number for all channels, or ``'random'`` for standard normal noise. Defaults to 0.0.
        prob (float): Probability of erasing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; every image has its own
            square with both. Defaults to ``'elem'``.
        keep (Keep | dict, optional): Where the square may fall, e.g. :class:`SelectiveCut`. It moves the clipped box
            and never resizes it. Defaults to None, anywhere.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import Cutout
        >>> images, scores = Cutout(length=4)(torch.ones(4, 3, 8, 8), torch.eye(4))
        >>> bool((images.mean() < 1) & (scores == torch.eye(4)).all())
        True
    """

    def __init__(
        self,
        length: int | Sequence[int] = 16,
        fill: float | str = 0.0,
        prob: float = 1.0,
        lam_mode: str = 'elem',
        keep: Keep | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(fill, prob, lam_mode, keep, check_finite)
        self.length = length
        self.sides = sides_of(length, type(self).__name__)

    def box_size(self, share: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The length, or nothing for an image that is left alone."""
        erased = (share < 1).long()
        return erased * self.sides[0], erased * self.sides[1]


def sides_of(length: int | Sequence[int], name: str) -> tuple[int, int]:
    """Height and width of a box whose ``length`` is one number or two.

    Raises:
        ValueError: If they are no positive whole numbers.
    """
    sides = (length, length) if isinstance(length, int) else tuple(length)
    if len(sides) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise ValueError(
            f'{name}: `length` must be a positive number of pixels, e.g. length=16, or two, but got {length!r}.'
        )
    return sides[0], sides[1]
