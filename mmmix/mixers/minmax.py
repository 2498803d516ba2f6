"""Arguments of other packages' CutMix: boxes of uniform sides, and labels that are not corrected at the border."""

from typing import Any

import torch
from torch import Tensor

from ..core import Mixer
from ..core.fields import flag, span
from ..labels import DrawnShare
from ..ops.boxes import Box, Side, Size
from ..ops.draws import random_index


class Minmax(Mixer, abstract=True):
    """What CutMix and ResizeMix of mmpretrain, and timm, take beside ``alpha``."""

    cutmix_minmax: tuple[float, float] | None = span(
        default=None,
        above=0,
        most=1,
        optional=True,
        none='sides by ``alpha``',
        like=(0.2, 0.8),
        doc='If given, height and width of the box are uniform in this range of the sides of the image, each by '
        'itself, and the box lies anywhere inside; ``alpha`` means nothing then. As in timm and mmpretrain.',
    )
    correct_lam: bool = flag(
        default=True,
        doc='Whether labels follow what is visible of the box. False is a convention of timm and mmpretrain, labels '
        'that are not corrected at the border, ``labels=DrawnShare()``: they are wrong. As there, with '
        '``cutmix_minmax`` they are corrected all the same.',
    )

    def __post_init__(self) -> None:
        """Labels as drawn are a policy of labels."""
        super().__post_init__()
        if self.correct_lam:
            return
        if self.labels is not None and not isinstance(self.labels, DrawnShare):
            raise ValueError(
                f'{type(self).__name__}: `correct_lam=False` is labels=DrawnShare(), but got {self.labels!r}: keep one '
                'of them.'
            )
        self.labels = DrawnShare() if self.cutmix_minmax is None else None


def sides_between(limits: tuple[float, float], share: Any, height: int, width: int) -> Size:
    """Heights and widths uniform between two parts of the sides of an image, the larger one excluded as in timm.

    Args:
        limits (tuple[float, float]): The range, in (0, 1].
        share (Tensor | float): ``(N,)`` own shares, or one number for integers; 1 is no box.
        height (int): Image height.
        width (int): Image width.
    """
    sides: list[Side] = []
    for side in (height, width):
        least, beyond = int(side * limits[0]), int(side * limits[1])
        beyond = max(beyond, least + 1)
        if isinstance(share, Tensor):
            drawn = torch.randint_like(share, least, beyond, dtype=torch.int64)
            sides.append(drawn * (share < 1))
        else:
            sides.append(int(torch.randint(least, beyond, ())) if share < 1 else 0)
    return sides[0], sides[1]


def inside_place(heights: Side, widths: Side, height: int, width: int) -> Box:
    """A uniform place among those that hold the whole box, for tensors of sides or two integers."""
    top, left = (_offset(height - heights + 1), _offset(width - widths + 1))
    return top, top + heights, left, left + widths


def _offset(beyond: Side) -> Side:
    """Uniform integers below these, as many."""
    if isinstance(beyond, Tensor):
        return random_index(beyond, len(beyond), beyond.device)
    return int(torch.randint(beyond, ()))
