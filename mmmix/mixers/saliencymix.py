"""SaliencyMix."""

from torch import Tensor

from ..core import Built, Guide, GuidedMixer
from ..core.fields import again
from ..guides import FineGrained
from ..ops.boxes import area_size, box_mask, centred


class SaliencyMix(GuidedMixer, first=('alpha',)):
    r"""SaliencyMix: CutMix whose box is centred on the most salient pixel of the partner.

    `SaliencyMix: A Saliency Guided Data Augmentation Strategy for Better Regularization
    <https://arxiv.org/abs/2006.01791>`_. The box has CutMix's size, lies around the peak of the partner's importance,
    in the same place in both images, and is clipped at the border; the labels follow the clipped area.

    Deviations from the authors' code: every partner has a box around its own peak (theirs takes the peak of the first
    partner for the whole batch); boxes of odd sides keep them; :class:`FineGrained` is OpenCV's fine-grained saliency
    of the image, which theirs is meant to be. They hand normalised float images to OpenCV, which reads their bytes as
    pixels, and their peaks follow the image no better than chance: their boxes fall nearly as CutMix's do. At
    ``alpha=1`` the mean own share is .707 with their boxes and .705 around the peaks of the images themselves; boxes
    that keep odd sides make it .69 here. Around the peaks of the spectral residual it is .66
    (``benchmarks/fidelity.md``).

    Example:
        >>> import torch
        >>> from mmmix import SaliencyMix
        >>> mix = SaliencyMix(alpha=0.2).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam.shape
        torch.Size([4])
    """

    guide: Built[Guide] = again(default=None, stands_for=FineGrained)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of a box around each partner's peak."""
        height, width = own.shape[-2:]
        peak = self.importance(other).flatten(1).argmax(1)
        box = centred(peak // width, peak % width, *area_size(share, height, width))
        return box_mask(box, height, width), other
