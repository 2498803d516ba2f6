"""Tiny-ImageNet as it is published."""

from pathlib import Path
from typing import Any

from mmpretrain.datasets import BaseDataset

from ..core import check
from ..core.fields import choice
from ..registry import DATASETS


@DATASETS.register_module()
class TinyImageNet(BaseDataset):
    """Tiny-ImageNet: 200 classes of ImageNet at 64 x 64 pixels, 100,000 training and 10,000 validation images.

    The folder is that of `tiny-imagenet-200.zip <http://cs231n.stanford.edu/tiny-imagenet-200.zip>`_, as it comes
    out of the archive::

        tiny-imagenet-200
        |-- wnids.txt                          the 200 classes, which are numbered in sorted order
        |-- words.txt                          their names
        |-- train/<wnid>/images/*.JPEG
        |-- val/images/*.JPEG
        `-- val/val_annotations.txt            the class of each image

    The test images have no published labels, so the validation split is what papers report.

    Args:
        data_root (str): The folder. Defaults to ``'data/tiny-imagenet-200'``.
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        **kwargs: As in mmpretrain's ``BaseDataset``: ``pipeline``, ``indices``, ``test_mode`` and so on.

    Raises:
        ValueError: If there is no such split.
        FileNotFoundError: If the folder, or a file in it, is not there.
    """

    def __init__(self, data_root: str = 'data/tiny-imagenet-200', split: str = 'train', **kwargs: Any):
        (self.split,) = check(self, split=(split, choice('train', 'val')))
        self._root = Path(data_root)
        kwargs.setdefault('test_mode', split == 'val')
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each image.
        """
        wnids = sorted(self._lines('wnids.txt'))
        label_of = {wnid: label for label, wnid in enumerate(wnids)}
        if 'classes' not in self._metainfo:
            names = dict(line.split('\t', 1) for line in self._lines('words.txt') if '\t' in line)
            self._metainfo['classes'] = tuple(names.get(wnid, wnid) for wnid in wnids)
        if self.split == 'val':
            pairs = [line.split('\t')[:2] for line in self._lines('val/val_annotations.txt')]
            unknown = {wnid for _, wnid in pairs} - label_of.keys()
            if unknown:
                raise ValueError(
                    f'TinyImageNet: val_annotations.txt has {sorted(unknown)[0]!r}, which wnids.txt has not.'
                )
            folder = self._root / 'val' / 'images'
            return [dict(img_path=str(folder / name), gt_label=label_of[wnid]) for name, wnid in pairs]
        data_list = []
        for wnid, label in label_of.items():
            folder = self._root / 'train' / wnid / 'images'
            images = sorted(folder.glob('*.JPEG'))
            if not images:
                raise FileNotFoundError(self._missing(folder / '*.JPEG'))
            data_list += [dict(img_path=str(path), gt_label=label) for path in images]
        return data_list

    def _lines(self, name: str) -> list[str]:
        path = self._root / name
        if not path.is_file():
            raise FileNotFoundError(self._missing(path))
        return [line for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]

    def _missing(self, path: Path) -> str:
        return (
            f'TinyImageNet: {path} is missing: unpack http://cs231n.stanford.edu/tiny-imagenet-200.zip there, or set '
            '`data_root` to the folder that holds wnids.txt.'
        )
