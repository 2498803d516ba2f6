"""SmoothMix."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Labels, Partners
from ..registry import BATCH_AUGMENTS
from .mix import Mixer
from .resizemix import check_scope


@BATCH_AUGMENTS.register_module()
class SmoothMix(Mixer):
    r"""SmoothMix: the partner shines through a Gaussian spot, without an edge that a network could latch on to.

    `SmoothMix: A Simple Yet Effective Data Augmentation to Train Robust Classifiers
    <https://doi.org/10.1109/CVPRW50498.2020.00386>`_. The partner's share of a pixel is ``exp(-d ** 2 / (2 sigma **
    2))``, ``d`` its distance from a uniform centre and ``sigma`` uniform in ``sigma`` times the side of the image; the
    labels are the mean of the mask. (Giving the spot to the own image, as the paper writes it, is the same with the
    roles exchanged.)

    Deviations: the side of an image that is not square is the root of its area. OpenMixup's copy gives each label the
    other's share.

    Args:
        sigma (Sequence[float]): The range of the spot's standard deviation, in sides of the image.
            Defaults to (0.25, 0.5).
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one spot a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the mean of the mask.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import SmoothMix
        >>> mix = SmoothMix(lam_mode='elem').mix(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> bool((mix.lam < 1).all())
        True
    """

    def __init__(
        self,
        sigma: Sequence[float] = (0.25, 0.5),
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite)
        self.sigma = check_scope(sigma, 'sigma', 'SmoothMix', above_zero=True)

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """Zeros: the spot decides."""
        return torch.zeros(count, device=device)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """One spot for the batch with ``'batch'``, one for each image with ``'elem'``."""
        if self.lam_mode == 'batch':
            share = share[:1]
        height, width = own.shape[-2:]
        low, high = self.sigma
        cy, cx, spread = torch.rand(3, len(share), 1, device=own.device)
        sigma = (low + (high - low) * spread) * (height * width) ** 0.5
        # The Gaussian of a sum is a product: one row and one column of it are all there is to compute.
        rows, columns = (
            (-(((torch.arange(size, device=own.device) + 0.5 - centre * size) / sigma) ** 2) / 2).exp()
            for size, centre in ((height, cy), (width, cx))
        )
        rows = rows * (share[:, None] < 1)
        return (1 - rows[:, :, None] * columns[:, None, :])[:, None], other
