"""Labelled and unlabelled images in one data set, and batches of both."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.registry import DATASETS as HOST_DATASETS
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..core import check
from ..core.fields import whole
from ..registry import DATA_SAMPLERS, DATASETS


@DATASETS.register_module()
class SemiSupervised(Dataset):
    """A data set of which few labels are known: first the labelled images, then all images without labels.

    Of each class the same number of images keeps its label, one more of the first classes where the number does not
    divide evenly; which ones hangs on ``seed`` alone. All images, those too, come once more as unlabelled ones: their
    ``gt_label`` is -1, and their metainfo says ``unlabelled=True``. Draw batches with :class:`LabelledAndUnlabelled`,
    train with :class:`mmmix.SemiSupervisedClassifier`.

    Args:
        dataset (dict): Config of the whole training set, an mmpretrain ``BaseDataset`` with one label each.
        labels (int): How many labels are known.
        pipeline (Sequence[dict]): What labelled images go through.
        unlabelled_pipeline (Sequence[dict]): What unlabelled ones go through, with :class:`mmmix.WeakStrong`.
        seed (int): Which labels. Defaults to 0.

    Raises:
        TypeError: If ``dataset`` is no config.
        ValueError: If there are not so many labels, or less than one for each class.

    Example:
        >>> from mmmix.datasets import SemiSupervised
        >>> data = SemiSupervised(dict(type='mmmix.Digits'), labels=40, pipeline=[], unlabelled_pipeline=[])
        >>> data.sizes, len(data)
        ((40, 1352), 1392)
    """

    def __init__(
        self, dataset: dict, labels: int, pipeline: Sequence, unlabelled_pipeline: Sequence, seed: int = 0
    ) -> None:
        self.seed, labels = check(
            self, seed=(seed, whole(default=0, least=0)), labels=(labels, whole(least=1, like=4000))
        )
        if not isinstance(dataset, dict):
            raise TypeError(
                f"SemiSupervised takes the config of a data set, e.g. dict(type='CIFAR10', ...), but got {dataset!r}."
            )
        self.unlabelled = self._build(dataset, unlabelled_pipeline)
        truth = torch.as_tensor(self.unlabelled.get_gt_labels())
        self.labelled = self._build(dataset, pipeline, indices=chosen_rows(truth, labels, self.seed))

    @staticmethod
    def _build(dataset: dict, pipeline: Sequence, **changes: Any) -> Any:
        built = HOST_DATASETS.build({**deepcopy(dataset), 'pipeline': list(pipeline), **changes})
        built.full_init()
        return built

    @property
    def metainfo(self) -> dict:
        """Meta information of the data set."""
        return self.labelled.metainfo

    @property
    def sizes(self) -> tuple[int, int]:
        """How many labelled and how many unlabelled samples there are."""
        return len(self.labelled), len(self.unlabelled)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, index: int) -> Any:
        count = len(self.labelled)
        if index < count:
            return self.labelled[index]
        sample = self.unlabelled[index - count]
        if isinstance(sample, dict) and hasattr(sample.get('data_samples'), 'set_gt_label'):
            sample['data_samples'].set_gt_label(-1).set_metainfo(dict(unlabelled=True))
        elif isinstance(sample, dict):
            sample = {**sample, 'gt_label': -1, 'unlabelled': True}
        return sample


def chosen_rows(truth: Tensor, labels: int, seed: int) -> list[int]:
    """Whose labels are known: as many of each class.

    Args:
        truth (Tensor): ``(n,)`` class indices.
        labels (int): How many.
        seed (int): Which.

    Returns:
        list[int]: Their rows, in order.
    """
    classes = truth.unique().tolist()
    generator, found = torch.Generator().manual_seed(seed), []
    for place, label in enumerate(classes):
        rows = (truth == label).nonzero().flatten()
        wanted = labels // len(classes) + (place < labels % len(classes))
        if not 0 < wanted <= len(rows):
            raise ValueError(
                f'SemiSupervised: {labels} labels are {wanted} of class {label}, which has {len(rows)} images: set '
                f'`labels` between {len(classes)} and the number of images.'
            )
        found.append(rows[torch.randperm(len(rows), generator=generator)[:wanted]])
    return torch.cat(found).sort().values.tolist()


@DATA_SAMPLERS.register_module()
class LabelledAndUnlabelled(Sampler):
    """Batches of labelled, then unlabelled samples, as many of each as asked for; neither source runs dry.

    Each source is a sequence of permutations, one after the other. What is called an epoch are ``iterations`` batches;
    it hangs on the seed and its number alone, so that a resumed run draws what the uninterrupted one would have. Ranks
    share each global batch out among them. The loader's ``batch_size`` must be ``labelled + unlabelled``.

    Args:
        dataset (SemiSupervised): The data set, or any with ``sizes``.
        labelled (int): Labelled samples in a batch of a rank. Defaults to 64.
        unlabelled (int): Unlabelled ones. Defaults to 448.
        iterations (int): Batches in an epoch. Defaults to 1000.
        seed (int, optional): The seed; the runner hands over its own. Defaults to None, one drawn for all ranks.

    Raises:
        TypeError: If the data set does not say its ``sizes``.
        ValueError: If an argument is out of range.

    Example:
        >>> from types import SimpleNamespace
        >>> from mmmix.datasets import LabelledAndUnlabelled
        >>> sampler = LabelledAndUnlabelled(
        ...     SimpleNamespace(sizes=(2, 5)), labelled=1, unlabelled=2, iterations=3, seed=0
        ... )
        >>> [index < 2 for index in sampler]
        [True, False, False, True, False, False, True, False, False]
    """

    def __init__(
        self, dataset: Any, labelled: int = 64, unlabelled: int = 448, iterations: int = 1000, seed: int | None = None
    ) -> None:
        if not hasattr(dataset, 'sizes'):
            raise TypeError(
                f'LabelledAndUnlabelled draws from mmmix.SemiSupervised, but got a {type(dataset).__name__}: put the '
                'data set into one.'
            )
        self.sizes = dataset.sizes
        self.labelled, self.unlabelled, self.iterations = check(
            self,
            labelled=(labelled, whole(default=64, least=1)),
            unlabelled=(unlabelled, whole(default=448, least=0)),
            iterations=(iterations, whole(default=1000, least=1)),
        )
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        counts, starts = (self.labelled, self.unlabelled), (0, self.sizes[0])
        streams = [self._stream(source) for source in range(2)]
        for _ in range(self.iterations):
            for stream, count, start in zip(streams, counts, starts, strict=True):
                drawn = [next(stream) for _ in range(count * self.world_size)]
                yield from (start + row for row in drawn[self.rank :: self.world_size])

    def _stream(self, source: int) -> Iterator[int]:
        """The rows of a source, over and over."""
        generator = torch.Generator().manual_seed(2 * (self.seed + 1_000_003 * self.epoch) + source)
        while True:
            yield from torch.randperm(self.sizes[source], generator=generator).tolist()

    def __len__(self) -> int:
        return self.iterations * (self.labelled + self.unlabelled)

    def set_epoch(self, epoch: int) -> None:
        """Called by MMEngine in front of each epoch.

        Args:
            epoch (int): Its number.
        """
        self.epoch = epoch
