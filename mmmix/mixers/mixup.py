"""Mixup."""

from torch import Tensor

from ..registry import BATCH_AUGMENTS
from .mix import Mixer


@BATCH_AUGMENTS.register_module()
class Mixup(Mixer):
    r"""Mixup: every pixel is ``share`` of the own image and ``1 - share`` of the partner's.

    `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_. It takes batches of any shape
    ``(N, ...)``: images, spectrograms, rows of a table. There is no deviation from the authors' method;
    ``lam_mode='elem'`` draws one ratio per sample, which their code does not offer.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one ratio a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        keep (None): Mixup cuts nothing, so there is nothing to keep. Defaults to None.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the share itself.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import Mixup
        >>> images, scores = Mixup(alpha=0.2)(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> images.shape, scores.shape
        (torch.Size([4, 3, 8, 8]), torch.Size([4, 4]))
        >>> rows, scores = Mixup(lam_mode='elem')(torch.rand(4, 7), torch.eye(4))
    """

    min_ndim = 2

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A flat mask: the share itself everywhere."""
        return share.view(-1, *[1] * (own.ndim - 1)), other
