"""KeepAugment in the data pipeline."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from ...core import Guide, check
from ...core.fields import both_sides, sides
from ...keeps import SelectivePaste
from ...ops.boxes import centred
from ...registry import TRANSFORMS
from .annotations import check_annotations, movers_in
from .arrays import as_tensor, build_transform, image_guide


@TRANSFORMS.register_module()
class KeepAugment(BaseTransform):
    """Augment the image, then keep a box that is important in the clean one.

    KeepAugment's selective paste around any image-level transforms, `KeepAugment: A Simple Information-Preserving Data
    Augmentation Approach <https://arxiv.org/abs/2011.11778>`_. What tells which boxes are important decides where the
    work is done:

    - ``guide='model'``, the paper's: the image becomes the augmented one and the clean one travels along as
      ``clean_view``. Let ``PackInputs(algorithm_keys=('clean_view',))`` pack it and :class:`mmmix.KeepPaste` paste,
      under :class:`mmmix.MixClassifier`. No other transform may follow before ``PackInputs``: it would change one view
      only.
    - ``guide='spectral_residual'`` (or ``'fine_grained'``, or the config of a guide that asks no model): all of it
      happens here, for any model and any OpenMMLab pipeline. Other transforms may follow.

    The transforms must leave the shape of the image alone. Those that move pixels (Shear, Translate, Rotate) are
    treated as in the paper: the box is pasted back at the coordinates that it has in the clean image. Boxes, masks and
    keypoints are what the transforms make of them; one that moves pixels and leaves them behind, as mmpretrain's and
    torchvision's do, is refused as soon as there are some. Random choices of the place come from torch.

    Args:
        transforms (Sequence[dict | Callable]): Configs or objects of transforms, from mmpretrain, mmcv, or torchvision
            (``'torchvision/...'`` types get and may return PIL images).
        guide (str | dict): What tells which boxes are important. Defaults to ``'model'``.
        length (int | Sequence[int]): Side of the box in pixels, or height and width; boxes that do not fit are
            shortened. Used here only without a model: then :class:`mmmix.KeepPaste` has the length. Defaults to 16.
        tau (float): The quantile of importance that the box must reach, in [0, 1]. Used here only without a model.
            Defaults to 0.6.

    Raises:
        ValueError: If an argument is out of range, if the transforms change the shape, or if they move pixels and
            leave boxes, masks or keypoints behind.

    Required Keys:

    - img

    Modified Keys:

    - img

    Added Keys:

    - clean_view (with ``guide='model'``), ``(C, H, W)``

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import KeepAugment
        >>> transform = KeepAugment([dict(type='Invert', prob=1.0)], guide='spectral_residual', length=8)
        >>> image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        >>> kept = (transform(dict(img=image))['img'] == image).all(2)
        >>> int(kept.sum()) >= 8 * 8
        True
    """

    def __init__(
        self,
        transforms: Sequence[dict | Callable[[dict], dict | None]],
        guide: str | dict | Guide = 'model',
        length: int | Sequence[int] = 16,
        tau: float = 0.6,
    ):
        if isinstance(transforms, (dict, str)) or not isinstance(transforms, Sequence) or not transforms:
            raise ValueError(
                f'{type(self).__name__}: `transforms` must be a list of transforms, e.g. '
                f"[dict(type='RandAugment', ...)], but got {transforms!r}."
            )
        self.transforms = [build_transform(transform) for transform in transforms]
        #: Transforms that move pixels and know nothing of annotations.
        self.movers = movers_in(self.transforms)
        self.guide = guide
        self.length = length
        self.tau = tau
        check(self, length=(length, sides()))
        self.sides = both_sides(length)
        given = None if guide == 'model' else image_guide(guide, type(self).__name__)
        self.keep = None if given is None else SelectivePaste(guide=given, tau=tau)

    def transform(self, results: dict) -> dict | None:
        """Augment a copy of the image and keep a box of the clean one, or send both on."""
        clean = results['img']
        check_annotations(results, self.movers, type(self).__name__)
        view: dict | None = {**results, 'img': clean.copy()}
        for transform in self.transforms:
            view = transform(view)
            if view is None:
                return None
        assert view is not None
        augmented = np.array(view['img'])
        if augmented.shape != clean.shape:
            raise ValueError(
                f'{type(self).__name__}: the augmented view has the shape {augmented.shape} but the clean one '
                f'{clean.shape}: put transforms that resize, crop or pack in front of it or behind it.'
            )
        if self.keep is None:
            return {**view, 'img': augmented, 'clean_view': as_tensor(clean)}
        height, width = clean.shape[:2]
        size = torch.tensor([[min(side, limit)] for side, limit in zip(self.sides, (height, width), strict=True)])
        importance = self.keep.guide(as_tensor(clean)[None].float())
        centre = self.keep(importance, size[0], size[1])
        top, bottom, left, right = (int(side) for side in centred(*centre, size[0], size[1]))
        augmented[top:bottom, left:right] = clean[top:bottom, left:right]
        return {**view, 'img': augmented}

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms}, guide={self.guide!r}, length={self.length}, tau={self.tau})'
