"""HardMix: CutMix whose patches come from samples that the network keeps getting wrong."""

import torch
from torch import Tensor

from ..core import Built, Guide, Partners
from ..core.fields import again, part
from ..core.kinds import maps_of
from ..core.scene import Scene
from ..ops.boxes import box_mask, centred
from ..partners import HardPool
from .cutmix import CutMix


class HardMix(CutMix, first=('alpha', 'prob', 'lam_mode', 'guide', 'partners', 'keep')):
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

    Raises:
        TypeError: If a part does not fit its role.
        ValueError: If an argument is out of range, or both ``guide`` and ``keep`` would place the box.

    Example:
        >>> from mmmix import HardMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.HardMix')]))
        >>> custom_hooks = [dict(type='mmmix.HardSampleHook')]
        >>> HardMix().partners
        HardPool(size=512, min_size=32, prob=1.0, dtype=None)
    """

    prob: float = again(default=0.5)
    guide: Built[Guide | None] = part(
        Guide, default=None, none='a uniform place', doc='What is important in the hard samples.'
    )
    partners: Built[Partners] = again(
        default=None, stands_for=lambda: HardPool(prob=1.0), none='``HardPool(prob=1.0)``'
    )

    def __post_init__(self) -> None:
        """One part places the box."""
        super().__post_init__()
        if self.guide is not None and self.keep is not None:
            raise ValueError('HardMix: `guide` and `keep` both place the box: keep one of them.')

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
        peak = maps_of(self._scene, self.guide, other).flatten(1).argmax(1)
        rows, columns = torch.div(peak, width, rounding_mode='floor'), peak % width
        box = centred(rows, columns, *self.box_size(share, height, width))
        return box_mask(box, height, width), other

    def ask_guides(self, scene: Scene) -> None:
        """Ask for the whole pool, whose hard samples the guide places boxes in; see :meth:`Mixer.ask_guides`."""
        super().ask_guides(scene)
        if self.guide is not None:
            scene.importance(self.guide, of_pool=True)
