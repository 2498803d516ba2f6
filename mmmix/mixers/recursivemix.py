"""RecursiveMix."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Labels, Partners
from ..partners_history import History
from ..registry import BATCH_AUGMENTS
from .resizemix import PastedWhole, check_scope


@BATCH_AUGMENTS.register_module()
class RecursiveMix(PastedWhole):
    r"""RecursiveMix: what came out of the last step is made smaller and pasted into this one, and so on.

    `RecursiveMix: Mixed Learning with History <https://arxiv.org/abs/2203.06844>`_. A box of sides ``sqrt(r)``, ``r``
    uniform in ``scope``, has a uniform centre and is clipped at the border; the partner is squeezed into what is left
    of it. Its label is the mixed label that it had, so that a label may hold many classes.

    Deviations from the authors' code: the first step has partners from its own batch; ``'bilinear'`` without aligned
    corners. The paper's second part is not here: a loss that lets the features of the box agree with the last
    step's prediction, which needs the feature map before pooling.

    Args:
        scope (Sequence[float]): The range of ``r``, the area of a box that is not clipped. Defaults to (0.0, 0.5).
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one box a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, :class:`History`.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import RecursiveMix
        >>> mixer = RecursiveMix()
        >>> for _ in range(3):
        ...     images, scores = mixer(torch.rand(4, 3, 8, 8), torch.eye(4))
        >>> scores.sum(1)
        tensor([1., 1., 1., 1.])
    """

    crops = False

    def __init__(
        self,
        scope: Sequence[float] = (0.0, 0.5),
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            prob=prob,
            lam_mode=lam_mode,
            partners=History() if partners is None else partners,
            labels=labels,
            check_finite=check_finite,
        )
        self.scope = check_scope(scope, 'scope', 'RecursiveMix')

    def sample_share(self, count: int, device: torch.device) -> Tensor:
        """``1 - r``."""
        low, high = self.scope
        return 1 - (low + (high - low) * torch.rand(count, device=device))
