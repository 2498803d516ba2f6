"""AutoAugment inside KeepAugment."""

from collections.abc import Callable, Sequence
from typing import Any

from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from ...core import Guide
from ...registry import TRANSFORMS
from .arrays import OnPIL
from .keep_augment import KeepAugment
from .policies import AutoAugmentAt, check_magnitude, policies_of


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
        then (Sequence[dict | Callable]): Further transforms behind the policies and in front of the paste, such as the
            Cutout that AutoAugment's authors put behind their CIFAR policies. Defaults to ().

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
        then: Sequence[dict | Callable[[dict], dict | None]] = (),
    ):
        check_magnitude('KeepAutoAugment', magnitude, total_level)
        inner: Any
        if policies in ('cifar10', 'svhn'):
            if hparams is not None:
                raise ValueError(f'KeepAutoAugment: `hparams` do not apply to the policies {policies!r}: remove them.')
            if magnitude is None:
                inner = OnPIL(AutoAugment(AutoAugmentPolicy(policies)))
            else:
                inner = OnPIL(AutoAugmentAt(str(policies), magnitude / total_level))
        else:
            inner = dict(type='mmpretrain.AutoAugment', policies=policies_of(policies, hparams, magnitude, total_level))
        self.magnitude, self.total_level = magnitude, total_level
        super().__init__([inner, *then], guide, length, tau)

    def __repr__(self) -> str:
        level = '' if self.magnitude is None else f', magnitude={self.magnitude}, total_level={self.total_level}'
        return f'{super().__repr__()[:-1]}{level})'
