"""KeepAugment's selective paste on the device."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..part import Guide, Keep, build_part
from ..registry import BATCH_AUGMENTS
from .boxes import box_mask, centred
from .cutout import sides_of
from .mix import Mixer


@BATCH_AUGMENTS.register_module()
class KeepPaste(Mixer):
    """KeepPaste: paste a box that is important in the clean view back into the augmented one.

    The paste of `KeepAugment: A Simple Information-Preserving Data Augmentation Approach
    <https://arxiv.org/abs/2011.11778>`_ for image-level augmentations. The batch is what the transform
    :class:`mmmix.datasets.transforms.KeepAugment` augmented; the clean views that it sent along are normalised by the
    classifier's own data preprocessor, rated by the guide, and from each one a box is pasted at its place. The label
    stays. The box falls uniformly among the places whose importance reaches the ``tau``-quantile; see
    :class:`SelectivePaste`.

    In :class:`Mix` the own image is the augmented one and ``mask`` is 0 where the clean view was pasted.

    Args:
        length (int | Sequence[int]): Side of the box in pixels, or height and width; a box that does not fit is
            shortened. Defaults to 16, the paper's on CIFAR-10.
        guide (Guide | dict, optional): What is important. Defaults to None, :class:`InputGradient`.
        tau (float): The quantile of importance that the box must reach, in [0, 1]. Defaults to 0.6.
        prob (float): Probability of pasting, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): For whom the coin of ``prob`` is tossed, ``'batch'`` or ``'elem'``; every image has its own box
            with both. Defaults to ``'elem'``.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        ValueError: If an argument is out of range, or if a sample has no clean view.
        RuntimeError: When there is no :class:`mmmix.MixClassifier` to hand over clean views.

    Example:
        >>> train_pipeline = [
        ...     dict(type='mmmix.KeepRandAugment'),
        ...     dict(type='PackInputs', algorithm_keys=('clean_view',)),
        ... ]
        >>> model = dict(
        ...     type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=16, tau=0.6))
        ... )
        >>> from mmmix import KeepPaste
        >>> KeepPaste(length=16).label_preserving
        True
    """

    label_preserving = True
    needs_model = True
    # The clean views are images.
    mixes_features = False

    def __init__(
        self,
        length: int | Sequence[int] = 16,
        guide: Guide | dict | None = None,
        tau: float = 0.6,
        prob: float = 1.0,
        lam_mode: str = 'elem',
        check_finite: bool = False,
    ):
        super().__init__(prob=prob, lam_mode=lam_mode, check_finite=check_finite)
        self.length = length
        self.sides = sides_of(length, type(self).__name__)
        # By its config: the room of keeps looks at the boxes of this one.
        paste = dict(type='mmmix.SelectivePaste', guide=guide or dict(type='mmmix.InputGradient'), tau=tau)
        keep: Keep = build_part(paste, Keep, 'keep')
        self.keep, self.guide, self.tau = keep, keep.guide, tau

    def draw_share(self, images: Tensor) -> Tensor:
        """Whether each image is left alone: ``(N,)`` on their device, 1 leaves it, 0 pastes into it."""
        share = torch.zeros(len(images), device=images.device)
        if self.lam_mode == 'elem' and self.prob < 1:
            share = (torch.rand_like(share) >= self.prob).float()
        return share

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """A box of the clean view for each image."""
        model = self.require_model()
        if not hasattr(model, 'clean_views'):
            raise RuntimeError(
                "KeepPaste needs the clean views: use type='mmmix.MixClassifier' in place of 'ImageClassifier'."
            )
        clean = model.clean_views(own)
        n, (height, width) = len(own), own.shape[-2:]
        ones = torch.ones(n, dtype=torch.long, device=own.device)
        heights, widths = ones * min(self.sides[0], height), ones * min(self.sides[1], width)
        scores = self._scene.own_scores if self._scene is not None else None
        assert self.keep is not None
        cy, cx = self.keep(self.keep.guide(clean, scores), heights, widths)
        box = centred(cy, cx, heights, widths)
        return box_mask(box, height, width) | (share > 0)[:, None, None, None], clean
