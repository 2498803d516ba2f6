"""CIFAR-10-C and CIFAR-100-C, as they are published."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.datasets.categories import CIFAR10_CATEGORIES, CIFAR100_CATEGORIES

from ..core import check
from ..core.fields import choice
from ..registry import DATASETS

#: The fifteen corruptions of the benchmark, then the four extra ones: all nineteen that SUMix averages over.
CORRUPTIONS = (
    'gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur', 'snow',
    'frost', 'fog', 'brightness', 'contrast', 'elastic_transform', 'pixelate', 'jpeg_compression',
    'speckle_noise', 'gaussian_blur', 'spatter', 'saturate',
)  # fmt: skip


class _CorruptedCIFAR(BaseDataset):
    """What the two data sets share."""

    NAME: ClassVar[str]
    RECORD: ClassVar[str]

    def __init__(self, data_root: str, corruption: str, severity: int = 3, **kwargs: Any):
        self.corruption, self.severity = check(
            self, corruption=(corruption, choice(*CORRUPTIONS)), severity=(severity, choice(1, 2, 3, 4, 5))
        )
        self._root = Path(data_root)
        kwargs.setdefault('test_mode', True)
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Load the images of one corruption at one severity.

        Returns:
            list[dict]: ``img``, ``(32, 32, 3)`` RGB uint8, and ``gt_label`` of each image.
        """
        images, labels = self._load(self.corruption), self._load('labels')
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or len(images) % 5:
            raise ValueError(
                f'{type(self).__name__}: {self.corruption}.npy should hold five severities of (N, 32, 32, 3) uint8 '
                f'images, but has {images.shape} {images.dtype}: download it again.'
            )
        count = len(images) // 5
        if labels.ndim != 1 or len(labels) not in (count, len(images)):
            raise ValueError(
                f'{type(self).__name__}: labels.npy has {labels.shape} labels for {len(images)} images: download it '
                'again.'
            )
        rows = slice((self.severity - 1) * count, self.severity * count)
        labels = labels[rows] if len(labels) == len(images) else labels
        return [
            dict(img=np.array(image), gt_label=int(label)) for image, label in zip(images[rows], labels, strict=True)
        ]

    def _load(self, name: str) -> np.ndarray:
        path = self._root / f'{name}.npy'
        if not path.is_file():
            raise FileNotFoundError(
                f'{type(self).__name__}: {path} is missing: unpack {self.NAME}.tar from '
                f'https://zenodo.org/records/{self.RECORD} there, or set `data_root` to the folder with labels.npy.'
            )
        try:
            return np.load(path, mmap_mode='r', allow_pickle=False)
        except ValueError as error:
            # NumPy refuses pickled objects, which could run anything.
            raise ValueError(f'{type(self).__name__}: {path} holds no plain array: download it again.') from error

    def extra_repr(self) -> list[str]:
        """Describe the corruption."""
        return [f'Corruption: \t{self.corruption}', f'Severity: \t{self.severity}']


@DATASETS.register_module()
class CIFAR10C(_CorruptedCIFAR):
    """CIFAR-10-C: the test images of CIFAR-10 under nineteen corruptions at five severities.

    `Benchmarking Neural Network Robustness to Common Corruptions and Perturbations <https://arxiv.org/abs/1903.12261>`_.
    The folder is that of the published archive: ``labels.npy`` and one ``<corruption>.npy`` of shape (50000, 32, 32, 3)
    each. Files that hold pickled objects are refused.

    Args:
        data_root (str): The folder, e.g. ``'data/CIFAR-10-C'``.
        corruption (str): One of :data:`mmmix.datasets.CORRUPTIONS`.
        severity (int): 1 (mild) to 5 (strong). Defaults to 3.
        **kwargs: As in mmpretrain's ``BaseDataset``; the pipeline finds an RGB image under ``img``.

    Raises:
        ValueError: If there is no such corruption or severity, or a file does not hold what it should.
        FileNotFoundError: If a file is not there.
    """

    NAME = 'CIFAR-10-C'
    RECORD = '2535967'
    METAINFO: ClassVar[dict] = {'classes': CIFAR10_CATEGORIES}


@DATASETS.register_module()
class CIFAR100C(_CorruptedCIFAR):
    """CIFAR-100-C: the test images of CIFAR-100 under nineteen corruptions at five severities.

    The folder is that of the published archive, e.g. ``'data/CIFAR-100-C'``; all else is as in :class:`CIFAR10C`.
    """

    NAME = 'CIFAR-100-C'
    RECORD = '3555552'
    METAINFO: ClassVar[dict] = {'classes': CIFAR100_CATEGORIES}
