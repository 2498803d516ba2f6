"""Where a cut may fall: KeepAugment's choice among all places of a box."""

import torch
from torch import Tensor

from .mixers.boxes import box_sums, draw_allowed
from .part import Guide, Keep, build_part
from .registry import TASK_UTILS

__all__ = ['Keep', 'SelectiveCut']


class QuantileKeep(Keep):
    """Base of KeepAugment's two choices: a box may fall where its importance lies on one side of a quantile.

    The candidates are all places that hold the whole box, in each image for itself. The threshold is the order statistic
    of rank ``floor(tau * (candidates - 1))``, itself allowed, so that flat maps and ``tau`` of 0 or 1 leave a choice.
    """

    #: Whether the box must be at most as important as the quantile, or at least.
    below: bool

    def __init__(self, guide: Guide | dict, tau: float = 0.6):
        name = type(self).__name__
        if isinstance(tau, bool) or not isinstance(tau, (int, float)) or not 0 <= tau <= 1:
            raise ValueError(f'{name}: `tau` is a quantile and must lie in [0, 1], e.g. tau=0.6, but got {tau!r}.')
        built = build_part(guide, Guide, 'guide')
        if built is None:
            raise TypeError(f"{name} needs a guide, e.g. guide=dict(type='mmmix.InputGradient').")
        self.guide = built
        self.tau = float(tau)

    def allowed(self, importance: Tensor, heights: Tensor, widths: Tensor) -> Tensor:
        sums, fits = box_sums(importance, heights, widths)
        # Places that do not hold the box rank last, whichever side is asked for.
        ranked = torch.where(fits, sums, float('inf')).flatten(1).sort(1).values
        rank = (self.tau * (fits.flatten(1).sum(1, keepdim=True) - 1).double()).long()
        threshold = ranked.gather(1, rank)[:, :, None]
        return fits & (sums <= threshold if self.below else sums >= threshold)

    def __call__(self, importance: Tensor, heights: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        return draw_allowed(self.allowed(importance, heights, widths))


@TASK_UTILS.register_module()
class SelectiveCut(QuantileKeep):
    """KeepAugment's selective cut: what is cut out is never among the important regions of the image.

    `KeepAugment: A Simple Information-Preserving Data Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. A box may
    fall only where the sum of the guide's map inside it is at most the ``tau``-quantile over all places of a box of that
    size in that image; among these places it falls uniformly. The paper samples and rejects; here all places are rated at
    once from an integral image, so the cost is fixed and the device never waits for the host.

    The box is moved after it was clipped at the border and keeps that size, so the law of the label shares is that of the
    mixer without a keep. (Rating clipped boxes as they are would favour the border, where boxes are small.)

    Args:
        guide (Guide | dict): What is important, e.g. ``dict(type='mmmix.InputGradient')``.
        tau (float): The quantile, in [0, 1]. Defaults to 0.6.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If ``tau`` lies outside [0, 1].

    Example:
        >>> import torch
        >>> from mmmix import CutMix, InputGradient, SelectiveCut
        >>> keep = SelectiveCut(guide=InputGradient(), tau=0.6)
        >>> keep.bind(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)))
        >>> images, scores = CutMix(keep=keep)(torch.rand(4, 3, 8, 8), torch.eye(4))
    """

    below = True
