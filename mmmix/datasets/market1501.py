"""Persons seen by several cameras."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.datasets import BaseDataset
from torch.utils.data import Sampler

from ..core import check
from ..core.fields import choice, whole
from ..registry import DATA_SAMPLERS, DATASETS

_NAME = re.compile(r'(-1|\d+)_c(\d+)')
_FOLDERS = {'train': ('bounding_box_train',), 'test': ('query', 'bounding_box_test')}


@DATASETS.register_module()
class Market1501(BaseDataset):
    """Market-1501: 1,501 persons seen by six cameras, for re-identification.

    `Scalable Person Re-identification: A Benchmark <https://www.cv-foundation.org/openaccess/content_iccv_2015/html/
    Zheng_Scalable_Person_Re-Identification_ICCV_2015_paper.html>`_. A file's name says who it is and which camera saw
    it: ``0002_c1s1_000451_03.jpg``. The classes of the training split are its persons, in the order of their numbers.
    The test split is all queries, then the gallery; images of nobody (person -1) are left out, those of strangers (0)
    stay.

    What is known of an image stands in its annotations and, with ``meta_keys`` of ``PackInputs``, in the metainfo of a
    packed sample: ``person``, ``camera`` and ``is_query``; :class:`mmmix.Ranking` asks for them. ``gt_label`` is 0 in
    the test split, whose persons are no classes.

    Args:
        data_root (str): The folder that holds ``bounding_box_train``, ``query`` and ``bounding_box_test``. Defaults to
            "data/market1501".
        split (str): "train" or "test". Defaults to "train".
        **kwargs: As mmpretrain's ``BaseDataset`` takes them: ``indices``, ``pipeline``, ``test_mode``, ``lazy_init``.

    Raises:
        FileNotFoundError: If a folder is missing or empty.
        ValueError: If ``split`` is unknown, or a file's name says nothing.

    Example:
        >>> from mmmix.datasets import Market1501
        >>> Market1501(split='test', lazy_init=True).split  # reads nothing yet
        'test'
    """

    def __init__(self, data_root: str = 'data/market1501', split: str = 'train', **kwargs: Any):
        (self.split,) = check(self, split=(split, choice('train', 'test')))
        kwargs.setdefault('test_mode', split == 'test')
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images.

        Returns:
            list[dict]: ``img_path``, ``gt_label``, ``person``, ``camera`` and ``is_query`` of each image.
        """
        found = [info for name in _FOLDERS[self.split] for info in self._listed(Path(self.data_root) / name)]
        if self.split == 'train':
            persons = sorted({info['person'] for info in found})
            self._metainfo.setdefault('classes', tuple(map(str, persons)))
            label_of = {person: label for label, person in enumerate(persons)}
            for info in found:
                info['gt_label'] = label_of[info['person']]
        return found

    @staticmethod
    def _listed(folder: Path) -> list[dict]:
        """The images of a folder, without those of nobody."""
        paths = sorted(folder.glob('*.jpg'))
        if not paths:
            raise FileNotFoundError(
                f'Market1501: {folder} is missing or has no images: unpack Market-1501-v15.09.15.zip, or set '
                '`data_root` to the folder that holds bounding_box_train.'
            )
        found = []
        for path in paths:
            match = _NAME.match(path.name)
            if match is None:
                raise ValueError(
                    f'Market1501: {path} does not say who it is, as 0002_c1s1_000451_03.jpg does: remove it.'
                )
            person, camera = map(int, match.groups())
            if person >= 0:
                info = dict(img_path=str(path), gt_label=0, person=person, camera=camera)
                found.append({**info, 'is_query': folder.name == 'query'})
        return found

    def extra_repr(self) -> list[str]:
        """Describe the split.

        Returns:
            list[str]: Lines for ``repr``.
        """
        return [f'Split: \t{self.split}']


@DATA_SAMPLERS.register_module()
class SomeOfEach(Sampler):
    """Batches of a few classes with a few samples of each, for losses that compare samples.

    An epoch goes through all classes once, in groups of ``samples``; a class that has fewer is drawn from with
    repetition. It hangs on the seed and the epoch's number alone, and ranks share the groups among them. The loader's
    ``batch_size`` should be a multiple of ``samples``.

    Args:
        dataset (BaseDataset): A data set with ``get_gt_labels``.
        samples (int): How many of each class. Defaults to 4.
        seed (int, optional): The seed; the runner hands over its own. Defaults to None, one drawn for all ranks.

    Raises:
        TypeError: If the data set does not tell its labels.

    Example:
        >>> from mmmix.datasets import Digits, SomeOfEach
        >>> digits = Digits(indices=60)
        >>> drawn = list(SomeOfEach(digits, samples=2, seed=0))
        >>> labels = digits.get_gt_labels()
        >>> all(labels[a] == labels[b] for a, b in zip(drawn[::2], drawn[1::2]))
        True
    """

    def __init__(self, dataset: Any, samples: int = 4, seed: int | None = None) -> None:
        if not hasattr(dataset, 'get_gt_labels'):
            raise TypeError(
                f'SomeOfEach needs the labels of all samples, but a {type(dataset).__name__} has none to tell.'
            )
        (self.samples,) = check(self, samples=(samples, whole(default=4, least=1)))
        labels = torch.as_tensor(dataset.get_gt_labels())
        self.rows = [(labels == label).nonzero().flatten() for label in labels.unique()]
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        # Each class gives as many groups as it fills, at least one.
        self.groups = sum(max(1, len(rows) // self.samples) for rows in self.rows) // self.world_size

    def __iter__(self) -> Iterator[int]:
        generator, groups = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch), []
        for rows in self.rows:
            drawn = rows[torch.randperm(len(rows), generator=generator)]
            if len(rows) < self.samples:
                drawn = rows[torch.randint(len(rows), (self.samples,), generator=generator)]
            groups += list(drawn[: len(drawn) // self.samples * self.samples].view(-1, self.samples))
        order = torch.randperm(len(groups), generator=generator).tolist()[self.rank :: self.world_size]
        for group in order[: self.groups]:
            yield from groups[group].tolist()

    def __len__(self) -> int:
        return self.groups * self.samples

    def set_epoch(self, epoch: int) -> None:
        """Called by MMEngine in front of each epoch.

        Args:
            epoch (int): Its number.
        """
        self.epoch = epoch
