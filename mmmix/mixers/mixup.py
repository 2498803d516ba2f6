"""Mixup."""

from torch import Tensor

from ..core import Mixer


class Mixup(Mixer):
    r"""Mixup: every pixel is ``share`` of the own image and ``1 - share`` of the partner's.

    `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_. It takes batches of any shape
    ``(N, ...)``: images, spectrograms, rows of a table. There is no deviation from the authors' method;
    ``lam_mode='elem'`` draws one ratio per sample, which their code does not offer.

    Example:
        >>> import torch
        >>> from mmmix import Mixup
        >>> images, scores = Mixup(alpha=0.2)(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> images.shape, scores.shape
        (torch.Size([4, 3, 8, 8]), torch.Size([4, 4]))
        >>> rows, scores = Mixup(lam_mode='elem')(torch.rand(4, 7), torch.eye(4))
    """

    def takes(self, images: Tensor) -> bool:
        """Batches of any shape."""
        return images.ndim >= 2

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A flat mask: the share itself everywhere."""
        return share.view(-1, *[1] * (own.ndim - 1)), other
