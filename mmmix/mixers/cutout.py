"""Cutout."""

from torch import Tensor

from ..core import Eraser
from ..core.fields import both_sides, sides


class Cutout(Eraser):
    r"""Cutout: a square of fixed length is erased from each image.

    `Improved Regularization of Convolutional Neural Networks with Cutout <https://arxiv.org/abs/1708.04552>`_. The
    centre is uniform over the image and the square is clipped at the border; the label stays. On normalised images the
    default fill of 0 is the mean of the training set, as in the paper.

    Deviation from the authors' code: a square of odd length keeps it (theirs loses a row and a column).

    Example:
        >>> import torch
        >>> from mmmix import Cutout
        >>> images, scores = Cutout(length=4)(torch.ones(4, 3, 8, 8), torch.eye(4))
        >>> bool((images.mean() < 1) & (scores == torch.eye(4)).all())
        True
    """

    length: int | tuple[int, int] = sides(
        default=16, doc="Side of the square in pixels, or height and width; 16 is the paper's on CIFAR-10."
    )

    def box_size(self, share: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The length, or nothing for an image that is left alone."""
        erased = (share < 1).long()
        high, wide = both_sides(self.length)
        return erased * high, erased * wide
