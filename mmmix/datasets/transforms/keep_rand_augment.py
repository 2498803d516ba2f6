"""RandAugment inside KeepAugment."""

from collections.abc import Sequence

from ...core import Guide
from ...registry import TRANSFORMS
from .keep_augment import KeepAugment


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
