"""KeepAugment's selective paste on the device."""

import torch
from torch import Tensor

from ..core import Built, Guide, Preserving
from ..core.fields import both_sides, number, part, settled, sides, state
from ..guides import InputGradient
from ..keeps import SelectivePaste
from ..ops.boxes import box_mask, centred


class KeepPaste(Preserving):
    """KeepPaste: paste a box that is important in the clean view back into the augmented one.

    The paste of `KeepAugment: A Simple Information-Preserving Data Augmentation Approach
    <https://arxiv.org/abs/2011.11778>`_ for image-level augmentations. The batch is what the transform
    :class:`mmmix.datasets.transforms.KeepAugment` augmented; the clean views that it sent along are normalised by the
    classifier's own data preprocessor, rated by the guide, and from each one a box is pasted at its place. The label
    stays. The box falls uniformly among the places whose importance reaches the ``tau``-quantile; see
    :class:`SelectivePaste`.

    In :class:`Mix` the own image is the augmented one and ``mask`` is 0 where the clean view was pasted.

    Raises:
        ValueError: If an argument is out of range, or if a sample has no clean view.
        RuntimeError: When there is no :class:`mmmix.MixClassifier` to hand over clean views.

    Example:
        >>> train_pipeline = [
        ...     dict(type='mmmix.KeepRandAugment'),
        ...     dict(type='PackInputs', algorithm_keys=('clean_view',)),
        ... ]
        >>> model = dict(
        ...     type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.KeepPaste', length=16, tau=0.6)])
        ... )
        >>> from mmmix import KeepPaste
        >>> KeepPaste(length=16).keep.tau
        0.6
    """

    length: int | tuple[int, int] = sides(
        default=16,
        doc='Side of the box in pixels, or height and width; a box that does not fit is shortened. 16 is the '
        "paper's on CIFAR-10.",
    )
    guide: Built[Guide] = part(Guide, default=None, stands_for=InputGradient, doc='What is important.')
    tau: float = number(default=0.6, least=0, most=1, doc='The quantile of importance that the box must reach.')
    # The clean views are images.
    at: tuple[str, ...] = settled(default=('',))
    keep: SelectivePaste = state()
    needs_model = True

    def __post_init__(self) -> None:
        """The paste follows from guide and quantile."""
        super().__post_init__()
        self.keep = SelectivePaste(guide=self.guide, tau=self.tau)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A box of the clean view for each image."""
        model = self.require_model()
        if not hasattr(model, 'clean_views'):
            raise RuntimeError(
                "KeepPaste needs the clean views: use type='mmmix.MixClassifier' in place of 'ImageClassifier'."
            )
        clean = model.clean_views(own)
        n, (height, width) = len(own), own.shape[-2:]
        high, wide = both_sides(self.length)
        ones = torch.ones(n, dtype=torch.long, device=own.device)
        heights, widths = ones * min(high, height), ones * min(wide, width)
        scores = self._scene.own_scores if self._scene is not None else None
        cy, cx = self.keep(self.keep.guide(clean, scores), heights, widths)
        box = centred(cy, cx, heights, widths)
        return box_mask(box, height, width) | (share > 0)[:, None, None, None], clean
