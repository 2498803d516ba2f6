"""KeepAugment in the data pipeline."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image
from torch import Tensor

from ...keep import SelectiveCut, SelectivePaste
from ...mixers import Cutout
from ...mixers.boxes import centred
from ...mixers.cutout import sides_of
from ...part import Guide, build_part
from ...registry import TRANSFORMS

_GUIDES = dict(spectral_residual='mmmix.SpectralResidual', fine_grained='mmmix.FineGrained')


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
    treated as in the paper: the box is pasted back at the coordinates that it has in the clean image. Annotations of
    the clean image are kept, since only the image is augmented: put transforms that move boxes or masks in front.
    Random choices of the place come from torch.

    Args:
        transforms (Sequence[dict | Callable]): Configs or objects of transforms, from mmpretrain, mmcv, or torchvision
            (``'torchvision/...'`` types get and may return PIL images).
        guide (str | dict): What tells which boxes are important. Defaults to ``'model'``.
        length (int | Sequence[int]): Side of the box in pixels, or height and width; boxes that do not fit are
            shortened. Used here only without a model: then :class:`mmmix.KeepPaste` has the length. Defaults to 16.
        tau (float): The quantile of importance that the box must reach, in [0, 1]. Used here only without a model.
            Defaults to 0.6.

    Raises:
        ValueError: If an argument is out of range, or if the transforms change the shape.

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
        self.guide = guide
        self.length = length
        self.tau = tau
        self.sides = sides_of(length, type(self).__name__)
        self.keep = None if guide == 'model' else SelectivePaste(image_guide(guide, type(self).__name__), tau)

    def transform(self, results: dict) -> dict | None:
        """Augment a copy of the image and keep a box of the clean one, or send both on."""
        clean = results['img']
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
                f'{clean.shape}: '
                'put transforms that resize, crop or pack in front of it or behind it.'
            )
        if self.keep is None:
            return {**results, 'img': augmented, 'clean_view': as_tensor(clean)}
        height, width = clean.shape[:2]
        size = torch.tensor([[min(side, limit)] for side, limit in zip(self.sides, (height, width), strict=True)])
        importance = self.keep.guide(as_tensor(clean)[None].float())
        centre = self.keep(importance, size[0], size[1])
        top, bottom, left, right = (int(side) for side in centred(*centre, size[0], size[1]))
        augmented[top:bottom, left:right] = clean[top:bottom, left:right]
        return {**results, 'img': augmented}

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms}, guide={self.guide!r}, length={self.length}, tau={self.tau})'


@TRANSFORMS.register_module()
class KeepAutoAugment(KeepAugment):
    """AutoAugment that keeps a box which is important in the clean image: :class:`KeepAugment` around AutoAugment.

    `AutoAugment: Learning Augmentation Policies from Data <https://arxiv.org/abs/1805.09501>`_ inside `KeepAugment
    <https://arxiv.org/abs/2011.11778>`_.

    Args:
        policies (str | list): ``'imagenet'`` (mmpretrain's), ``'cifar10'`` or ``'svhn'`` (torchvision's), or a list of
            lists of transforms as mmpretrain's ``AutoAugment`` takes it. Defaults to ``'imagenet'``.
        hparams (dict, optional): As in mmpretrain's ``AutoAugment``, whose default None stands for. Defaults to None.
        guide (str | dict): See :class:`KeepAugment`. Defaults to ``'model'``.
        length (int | Sequence[int]): Side of the box. Defaults to 16.
        tau (float): The quantile that the box must reach. Defaults to 0.6.
        magnitude (float, optional): The distortion magnitude of all operations that have one, from 0 to
            ``total_level``; operations and probabilities stay the policies'. Defaults to None, the policies' own.
        total_level (float): The largest magnitude. Defaults to 30.

    Note:
        The paper varies the magnitude from 6 to 24 and does not define its scale. Here it is linear in the ranges that
        AutoAugment's policies are written in, up to 30 as RandAugment's 31 levels: shear 0.3, translation 0.45 of the
        side, rotation 30 degrees, colour, contrast, brightness and sharpness 0.9, solarizing from 256 down to 0,
        posterizing from 8 down to 4 bits. A policy's own level of 3 (out of 9) is a magnitude of 10. An operation with
        a ``magnitude_range`` of its own in ``policies`` keeps that range.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import KeepAutoAugment
        >>> transform = KeepAutoAugment('cifar10', guide='spectral_residual')
        >>> transform(dict(img=np.zeros((32, 32, 3), np.uint8)))['img'].shape
        (32, 32, 3)
    """

    def __init__(
        self,
        policies: str | Sequence[Sequence[dict]] = 'imagenet',
        hparams: dict | None = None,
        guide: str | dict | Guide = 'model',
        length: int | Sequence[int] = 16,
        tau: float = 0.6,
        magnitude: float | None = None,
        total_level: float = 30,
    ):
        from .policies import AutoAugmentAt, check_magnitude, policies_of

        check_magnitude('KeepAutoAugment', magnitude, total_level)
        inner: Any
        if policies in ('cifar10', 'svhn'):
            if hparams is not None:
                raise ValueError(f'KeepAutoAugment: `hparams` do not apply to the policies {policies!r}: remove them.')
            from torchvision.transforms import AutoAugment, AutoAugmentPolicy

            if magnitude is None:
                inner = OnPIL(AutoAugment(AutoAugmentPolicy(policies)))
            else:
                inner = OnPIL(AutoAugmentAt(str(policies), magnitude / total_level))
        else:
            inner = dict(type='mmpretrain.AutoAugment', policies=policies_of(policies, hparams, magnitude, total_level))
        self.magnitude, self.total_level = magnitude, total_level
        super().__init__([inner], guide, length, tau)

    def __repr__(self) -> str:
        level = '' if self.magnitude is None else f', magnitude={self.magnitude}, total_level={self.total_level}'
        return f'{super().__repr__()[:-1]}{level})'


@TRANSFORMS.register_module()
class KeepRandAugment(KeepAugment):
    """RandAugment that keeps a box which is important in the clean image: :class:`KeepAugment` around RandAugment.

    `RandAugment: Practical automated data augmentation with a reduced search space <https://arxiv.org/abs/1909.13719>`_
    inside `KeepAugment <https://arxiv.org/abs/2011.11778>`_.

    Args:
        policies (str | list[dict]): As in mmpretrain's ``RandAugment``. Defaults to ``'timm_increasing'``.
        num_policies (int): How many are applied to each image. Defaults to 2.
        magnitude_level (int | float): Their magnitude, up to ``total_level``. Defaults to 9.
        magnitude_std (float | str): Deviation of the magnitude, see mmpretrain's ``RandAugment``. Defaults to 0.5.
        total_level (int | float): The largest magnitude. Defaults to 10.
        hparams (dict, optional): As in mmpretrain's ``RandAugment``, whose default None stands for. Defaults to None.
        guide (str | dict): See :class:`KeepAugment`. Defaults to ``'model'``.
        length (int | Sequence[int]): Side of the box. Defaults to 16.
        tau (float): The quantile that the box must reach. Defaults to 0.6.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import KeepRandAugment
        >>> results = KeepRandAugment()(dict(img=np.zeros((32, 32, 3), np.uint8)))
        >>> results['img'].shape, results['clean_view'].shape
        ((32, 32, 3), torch.Size([3, 32, 32]))
    """

    def __init__(
        self,
        policies: str | Sequence[dict] = 'timm_increasing',
        num_policies: int = 2,
        magnitude_level: float = 9,
        magnitude_std: float | str = 0.5,
        total_level: float = 10,
        hparams: dict | None = None,
        guide: str | dict | Guide = 'model',
        length: int | Sequence[int] = 16,
        tau: float = 0.6,
    ):
        inner: dict = dict(type='mmpretrain.RandAugment', policies=policies, num_policies=num_policies)
        inner.update(magnitude_level=magnitude_level, magnitude_std=magnitude_std, total_level=total_level)
        if hparams is not None:
            inner['hparams'] = hparams
        super().__init__([inner], guide, length, tau)


@TRANSFORMS.register_module()
class KeepCutout(BaseTransform):
    """Cutout in the data pipeline that spares what is salient in the image, without a model.

    :class:`mmmix.Cutout` with a :class:`mmmix.SelectiveCut`, for any model and any OpenMMLab pipeline; with a guide
    that looks at the model use the mixer ``mmmix.KeepCutout``. `KeepAugment <https://arxiv.org/abs/2011.11778>`_.
    Random choices come from torch.

    Args:
        length (int | Sequence[int]): Side of the square in pixels, or height and width. Defaults to 16.
        tau (float): The quantile of importance that the square stays below, in [0, 1]. Defaults to 0.6.
        guide (str | dict): ``'spectral_residual'``, ``'fine_grained'`` or the config of a guide that asks no model.
            Defaults to ``'spectral_residual'``.
        fill (float | Sequence[float]): The erased pixels' value, or one for each channel. Defaults to 128.
        prob (float): Probability of erasing. Defaults to 1.0.

    Raises:
        ValueError: If an argument is out of range.

    Required Keys:

    - img

    Modified Keys:

    - img

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import KeepCutout
        >>> image = np.random.default_rng(0).integers(0, 100, (32, 32, 3), dtype=np.uint8)
        >>> bool((KeepCutout(length=8)(dict(img=image))['img'] == 128).any())
        True
    """

    def __init__(
        self,
        length: int | Sequence[int] = 16,
        tau: float = 0.6,
        guide: str | dict | Guide = 'spectral_residual',
        fill: float | Sequence[float] = 128,
        prob: float = 1.0,
    ):
        keep = SelectiveCut(image_guide(guide, 'KeepCutout'), tau)
        self.mixer = Cutout(length, prob=prob, keep=keep)
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Erase a square of a copy of the image."""
        image = results['img'].copy()
        mix = self.mixer.mix(as_tensor(image)[None].float(), torch.zeros(1, 1))
        image[mix.mask[0, 0].numpy() == 0] = self.fill
        return {**results, 'img': image}

    def __repr__(self) -> str:
        return f'KeepCutout({self.mixer!r}, fill={self.fill})'


class OnPIL:
    """Run a torchvision transform of PIL images on the array under ``img``.

    Args:
        inner (Callable): From PIL image to PIL image.
    """

    def __init__(self, inner: Callable[[Any], Any]):
        self.inner = inner

    def __call__(self, results: dict) -> dict:
        """The results with the image transformed."""
        image = results['img']
        grey = image.ndim == 3 and image.shape[2] == 1
        found = np.array(self.inner(Image.fromarray(image[..., 0] if grey else image)))
        return {**results, 'img': found[..., None] if grey else found}

    def __repr__(self) -> str:
        return repr(self.inner)


def build_transform(transform: dict | Callable[[dict], dict | None]) -> Callable[[Any], Any]:
    """A transform from its config; those of torchvision are given PIL images."""
    if not isinstance(transform, dict):
        return transform
    built = TRANSFORMS.build(transform)
    if str(transform['type']).rpartition('.')[2].startswith('torchvision/'):
        return OnPIL(built.t)
    return built


def image_guide(guide: str | dict | Guide, name: str) -> Guide:
    """A guide that looks at images alone.

    Raises:
        ValueError: If there is none of this name, or if it looks at the model.
    """
    if isinstance(guide, str):
        if guide not in _GUIDES:
            raise ValueError(f'{name}: `guide` must be {", ".join(map(repr, _GUIDES))} or a config, but got {guide!r}.')
        guide = dict(type=_GUIDES[guide])
    built = build_part(guide, Guide, 'guide')
    if built is None or built.needs_model:
        raise ValueError(
            f'{name}: {type(built).__name__} looks at the model, which workers do not have: use '
            "guide='spectral_residual' "
            'here, or the mixers mmmix.KeepCutout and mmmix.KeepPaste.'
        )
    return built


def as_tensor(image: np.ndarray) -> Tensor:
    """An image ``(H, W, C)`` or ``(H, W)`` as a tensor ``(C, H, W)`` of its own."""
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order='C'))
