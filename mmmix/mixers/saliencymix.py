"""SaliencyMix."""

from torch import Tensor

from ..part import Guide, Labels, Partners, build_part
from ..registry import BATCH_AUGMENTS
from .boxes import area_size, box_mask, centred
from .mix import Mixer

SPECTRAL = dict(type='mmmix.SpectralResidual')


@BATCH_AUGMENTS.register_module()
class SaliencyMix(Mixer):
    r"""SaliencyMix: CutMix whose box is centred on the most salient pixel of the partner.

    `SaliencyMix: A Saliency Guided Data Augmentation Strategy for Better Regularization
    <https://arxiv.org/abs/2006.01791>`_. The box has CutMix's size, lies around the peak of the partner's importance,
    in the same place in both images, and is clipped at the border; the labels follow the clipped area.

    Deviations from the authors' code: every partner has a box around its own peak (theirs takes the peak of the first
    partner for the whole batch); the default guide is the spectral residual, as batched tensors on the device, in place
    of OpenCV's fine-grained saliency; boxes of odd sides keep them.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        guide (Guide | dict, optional): What is important in an image. Defaults to None, :class:`SpectralResidual`.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 1.0.
        lam_mode (str): ``'batch'`` (one size a batch, a place for each image) or ``'elem'`` (one size a sample).
            Defaults to ``'batch'``.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, a random permutation.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If ``guide`` is not a guide.
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> from mmmix import SaliencyMix
        >>> mix = SaliencyMix(alpha=0.2).mix(torch.rand(4, 3, 16, 16), torch.eye(4))
        >>> mix.lam.shape
        torch.Size([4])
    """

    looks_at_partners = True

    def __init__(
        self,
        alpha: float = 1.0,
        guide: Guide | dict | None = None,
        prob: float = 1.0,
        lam_mode: str = 'batch',
        partners: Partners | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(
            alpha, prob=prob, lam_mode=lam_mode, partners=partners, labels=labels, check_finite=check_finite
        )
        self.guide = build_part(guide or SPECTRAL, Guide, 'guide')

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of a box around each partner's peak."""
        height, width = own.shape[-2:]
        peak = self.importance(other).flatten(1).argmax(1)
        box = centred(peak // width, peak % width, *area_size(share, height, width))
        return box_mask(box, height, width), other
