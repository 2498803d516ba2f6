"""Cutout with a selective cut, in the data pipeline."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.transforms import BaseTransform

from ...core import Guide
from ...keeps import SelectiveCut
from ...mixers import Cutout
from ...registry import TRANSFORMS
from .arrays import as_tensor, image_guide


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
        sides: Any = length
        keep = SelectiveCut(guide=image_guide(guide, 'KeepCutout'), tau=tau)
        self.mixer = Cutout(length=sides, prob=prob, keep=keep)
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Erase a square of a copy of the image."""
        image = results['img'].copy()
        mix = self.mixer.mix(as_tensor(image)[None].float(), torch.zeros(1, 1))
        image[mix.mask[0, 0].numpy() == 0] = self.fill
        return {**results, 'img': image}

    def __repr__(self) -> str:
        return f'KeepCutout({self.mixer!r}, fill={self.fill})'
