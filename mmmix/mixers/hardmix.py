"""HardMix: CutMix whose patches come from samples that the network keeps getting wrong."""

import torch
from torch import Tensor

from ..part import Guide, Keep, Labels, Partners, build_part
from ..partners import HardPool
from ..registry import BATCH_AUGMENTS
from .boxes import box_mask, centred
from .cutmix import CutMix


@BATCH_AUGMENTS.register_module()
class HardMix(CutMix):
    """HardMix: a box of a hard sample replaces the same box of the own image.

    `HardMix: Considering Difficult Examples in Mixed Sample Data Augmentation
    <https://doi.org/10.32629/jai.v7i5.1518>`_. The paper is public as an abstract only: it *selects the source patch
    from hard samples (which are frequently being miss-classified by a model)*. All else is our reading: the box is that
    of :class:`CutMix`, every partner comes from a :class:`HardPool` once that is filled, and what is hard says
    :class:`mmmix.HardSampleHook`, which must be among the ``custom_hooks``. With a ``guide`` the box is centred on the
    most important pixel of the hard sample and clipped at the border, in the same place of both images, as in the
    authors' earlier `SaliencyMix <https://arxiv.org/abs/2006.01791>`_.

    It needs :class:`mmmix.MixClassifier`. ``prob`` below 1 leaves batches unmixed, from which hardness is learned for
    free; with ``prob=1`` set the hook's ``scan_interval``.

    Args:
        alpha (float): Parameter of the Beta(alpha, alpha) distribution of the own share. Defaults to 1.0.
        prob (float): Probability of mixing, per batch with ``lam_mode='batch'``, per sample with ``'elem'``.
            Defaults to 0.5.
        lam_mode (str): ``'batch'`` (one ratio a batch) or ``'elem'`` (one a sample). Defaults to ``'batch'``.
        guide (Guide | dict, optional): What is important in the hard samples. Defaults to None, a uniform place.
        partners (Partners | dict, optional): Who is mixed in. Defaults to None, ``HardPool(prob=1.0)``.
        keep (Keep | dict, optional): Where the cut may fall in the own image, without a ``guide``. Defaults to None,
            anywhere.
        labels (Labels | dict, optional): How much of each label. Defaults to None, the area.
        check_finite (bool): Whether to refuse NaN and infinity, at the price of a synchronisation. Defaults to False.

    Raises:
        TypeError: If a part does not fit its role.
        ValueError: If an argument is out of range, or both ``guide`` and ``keep`` would place the box.

    Example:
        >>> from mmmix import HardMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=dict(type='mmmix.HardMix')))
        >>> custom_hooks = [dict(type='mmmix.HardSampleHook')]
        >>> HardMix().partners
        HardPool(size=512, min_size=32, prob=1.0, dtype=None)
    """

    def __init__(
        self,
        alpha: float = 1.0,
        prob: float = 0.5,
        lam_mode: str = 'batch',
        guide: Guide | dict | None = None,
        partners: Partners | dict | None = None,
        keep: Keep | dict | None = None,
        labels: Labels | dict | None = None,
        check_finite: bool = False,
    ):
        super().__init__(alpha, prob, lam_mode, partners or HardPool(prob=1.0), keep, labels, check_finite)
        self.guide = build_part(guide, Guide, 'guide')
        if self.guide is not None and self.keep is not None:
            raise ValueError('HardMix: `guide` and `keep` both place the box: keep one of them.')
        self.looks_at_partners = self.guide is not None

    def blend(self, images: Tensor, pool: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Without a guide, CutMix; with one the boxes differ from image to image."""
        if self.guide is None:
            return super().blend(images, pool, partner, share)
        return super(CutMix, self).blend(images, pool, partner, share)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The mask of the boxes, around the most important pixel of each partner if there is a guide."""
        if self.guide is None:
            return super().draw(own, other, share)
        height, width = own.shape[-2:]
        peak = self.importance(other).flatten(1).argmax(1)
        rows, columns = torch.div(peak, width, rounding_mode='floor'), peak % width
        box = centred(rows, columns, *self.box_size(share, height, width))
        return box_mask(box, height, width), other
