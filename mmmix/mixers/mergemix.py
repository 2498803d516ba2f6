"""MergeMix."""

from torch import Tensor

from ..core import Built, Guide, TokenGuidedMixer
from ..core.fields import again
from ..guides import MergedAttention
from ..ops.cells import best_cells, cells_to_pixels


class MergeMix(TokenGuidedMixer, first=('patch_size',)):
    r"""MergeMix: the patches that a ViT attends to most stay, where like patches were merged on the way.

    `MergeMix: A Unified Augmentation Paradigm for Visual and Multi-Modal Understanding
    <https://arxiv.org/abs/2510.23479>`_. Of ``L`` patches the ``floor(share * L)`` that :class:`MergedAttention` rates
    highest stay the own image's, and the partner fills the rest; the labels follow the area.

    Deviation from the authors' code: with its ``lam_scale`` it labels by a normal variate that the area does not
    enter, so that a mix of three tenths can be labelled with anything; here the label tells the area. Its loss on
    Mixup's images of the same batch is not part of the mixer: a list of mixers with ``probs`` takes turns.

    Example:
        >>> import torch
        >>> from mmmix import MergeMix, SpectralResidual
        >>> mixer = MergeMix(patch_size=4, guide=SpectralResidual())
        >>> mix = mixer.mix(torch.rand(4, 3, 32, 32), torch.eye(4))
        >>> bool((mix.lam * 64 == (mix.lam * 64).round()).all())
        True
    """

    guide: Built[Guide] = again(
        default=None,
        stands_for=MergedAttention,
        none=':class:`MergedAttention`, which needs :class:`mmmix.MixClassifier`',
    )

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The best patches of the own image."""
        rows, columns = self.grid_of(own)
        rated = self.importance(own)
        count = (share.double() * rows * columns).long()
        return cells_to_pixels(best_cells(rated, rows, columns, count), *own.shape[-2:]), other
