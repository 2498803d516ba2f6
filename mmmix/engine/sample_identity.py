"""Which sample of the training set is this? The index that the sampler asked for, whatever wraps the data set."""

from collections.abc import Sequence
from typing import Any

from mmengine.structures import BaseDataElement

from .sampling import begin_loading_again

#: The index of a sample that nobody can tell: it is neither counted nor kept.
UNKNOWN = -1


class IdentifiedFetch:
    """Fetch the samples of a batch, and write into each, as ``sample_idx``, the index that the sampler asked for.

    The ``sample_idx`` that MMEngine writes is the index in the innermost data set: ambiguous under ``ConcatDataset``,
    ``RepeatDataset``, ``ClassBalancedDataset`` and others. A data loader asks a data set that has ``__getitems__`` for
    whole batches, so this object takes that place on the data set itself. The data set stays what it is for everybody
    else (``len``, ``metainfo``, a hook that exchanges its pipeline), and worker processes inherit it.

    Where a pipeline gave nothing and the data set took another sample in its place, the index is :data:`UNKNOWN`.

    Args:
        dataset (Dataset): The training set, as the sampler sees it.

    Example:
        >>> from mmengine.dataset import ConcatDataset
        >>> from mmmix import Digits
        >>> from mmmix.engine.sample_identity import IdentifiedFetch
        >>> pipeline = [dict(type='mmpretrain.PackInputs')]
        >>> twice = ConcatDataset([Digits(pipeline=pipeline), Digits(pipeline=pipeline)])
        >>> twice[1352]['data_samples'].sample_idx
        0
        >>> [sample['data_samples'].sample_idx for sample in IdentifiedFetch(twice)([0, 1352])]
        [0, 1352]
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset

    def __call__(self, indices: Sequence[int]) -> list:
        """Fetch a batch.

        Args:
            indices (Sequence[int]): What the sampler asked for.

        Returns:
            list: The samples, before they are collated.
        """
        own_way = getattr(type(self.dataset), '__getitems__', None)
        samples = [self.dataset[i] for i in indices] if own_way is None else own_way(self.dataset, indices)
        for index, sample in zip(indices, samples, strict=True):
            element = sample.get('data_samples') if isinstance(sample, dict) else None
            if isinstance(element, BaseDataElement):
                element.set_metainfo({'sample_idx': self._identity(int(index), element.get('sample_idx'))})
        return samples

    def _identity(self, index: int, found: int | None) -> int:
        """The index itself, unless the data set delivered another sample than it has at this place."""
        if found is None or found == index or not hasattr(self.dataset, 'get_data_info'):
            return index
        expected = self.dataset.get_data_info(index).get('sample_idx', found)
        return index if found == expected else UNKNOWN


def identify_samples(train_loop: Any) -> None:
    """Let every sample of a training loop say which one it is; see :class:`IdentifiedFetch`.

    Args:
        train_loop (BaseLoop): MMEngine's loop, before its first iteration.
    """
    loader = train_loop.dataloader
    loader.dataset.__getitems__ = IdentifiedFetch(loader.dataset)
    if loader.num_workers > 0:
        begin_loading_again(train_loop)
