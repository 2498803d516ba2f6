"""Labels replaced at random, with the truth kept beside them."""

import torch
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS as HOST_DATASETS
from torch import Tensor

from ..core import check
from ..core.fields import flag, number, whole
from ..registry import DATASETS


@DATASETS.register_module()
class CorruptedLabels(BaseDataset):
    """A data set some of whose labels are replaced at random, as in Table 2 of the Mixup paper.

    `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_ replaces 20 %, 50 % or 80 % of
    CIFAR-10's training labels by random noise. Exactly ``round(fraction * len)`` samples are chosen; their new label is
    uniform over all classes, so that one in ``classes`` of them keeps the truth, or over the other classes with
    ``flip=True``. The choice depends on ``seed`` alone, not on the seed of the run.

    The true label stays beside the other: as ``true_label`` in every annotation (:meth:`get_data_info`) and in the
    metainfo of every packed sample, and for all samples in :attr:`true_labels`. Transforms, ``get_gt_labels`` and
    ``get_cat_ids`` see the corrupted label.

    It copies the annotations and the pipeline of the data set that it is given, and is then a data set of its own: it
    goes into ``RepeatDataset``, ``ConcatDataset``, ``ClassBalancedDataset`` and ``KFoldDataset`` like any other.

    Args:
        dataset (BaseDataset | dict): The data set with true labels, one class index each.
        fraction (float): Which part of the labels is replaced, in [0, 1].
        seed (int): Which samples, and by what. Defaults to 0.
        flip (bool): Whether every replaced label is a wrong one. Defaults to False.
        lazy_init (bool): Whether to load the annotations at first use instead of now. Defaults to False.

    Raises:
        TypeError: If ``dataset`` has no single pipeline to take over, or its labels are not single class indices.
        ValueError: If ``fraction`` lies outside [0, 1], or there is only one class to flip to.

    Example:
        >>> from mmmix import CorruptedLabels
        >>> digits = CorruptedLabels(dict(type='mmmix.Digits'), fraction=0.1, seed=0, flip=True)
        >>> int(digits.corrupted.sum()), len(digits)
        (135, 1352)
        >>> sample = digits.get_data_info(int(digits.corrupted.nonzero()[0]))
        >>> sample['gt_label'] == sample['true_label']
        False
    """

    def __init__(
        self,
        dataset: BaseDataset | dict,
        fraction: float,
        seed: int = 0,
        flip: bool = False,
        lazy_init: bool = False,
    ):
        self.fraction, self.seed, self.flip = check(
            self,
            fraction=(fraction, number(least=0, most=1, like=0.2)),
            seed=(seed, whole(default=0)),
            flip=(flip, flag()),
        )
        source = HOST_DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        if not hasattr(source, 'pipeline'):
            raise TypeError(
                f'CorruptedLabels cannot take over the pipelines inside a {type(source).__name__}: put CorruptedLabels '
                'around the innermost data set.'
            )
        self._source: BaseDataset | None = source
        super().__init__(
            ann_file='',
            metainfo=dict(source.metainfo),
            serialize_data=source.serialize_data,
            pipeline=source.pipeline.transforms,
            test_mode=source.test_mode,
            lazy_init=lazy_init,
            max_refetch=source.max_refetch,
        )

    def load_data_list(self) -> list[dict]:
        """Copy the annotations and replace labels.

        Returns:
            list[dict]: The annotations, with ``gt_label`` and ``true_label``.
        """
        source, self._source = self._source, None
        assert source is not None, 'the annotations are loaded once'
        source.full_init()
        data_list = [source.get_data_info(i) for i in range(len(source))]
        true = [info.get('gt_label') for info in data_list]
        if not all(hasattr(label, '__index__') and type(label) is not bool for label in true):
            raise TypeError('CorruptedLabels replaces class indices, but a `gt_label` of the data set is none.')
        labels = corrupted_labels(torch.tensor([int(label) for label in true]), self._num_classes(true), *self._how())
        for info, label in zip(data_list, labels.tolist(), strict=True):
            info.update(true_label=int(info['gt_label']), gt_label=label)
        return data_list

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline on a sample, and write its true label into what comes out.

        Args:
            idx (int): The index of the sample.

        Returns:
            dict | None: The packed sample, or None if the pipeline gives nothing.
        """
        info = self.get_data_info(idx)
        true = info['true_label']
        packed = self.pipeline(info)
        if isinstance(packed, dict) and hasattr(packed.get('data_samples'), 'set_metainfo'):
            packed['data_samples'].set_metainfo({'true_label': true})
        return packed

    @property
    def true_labels(self) -> Tensor:
        """The labels before corruption, ``(len,)``, int64."""
        return torch.tensor([self.get_data_info(i)['true_label'] for i in range(len(self))])

    @property
    def corrupted(self) -> Tensor:
        """Whether each sample's label is wrong now, ``(len,)``, bool."""
        return torch.as_tensor(self.get_gt_labels()) != self.true_labels

    def extra_repr(self) -> list[str]:
        """Describe the corruption.

        Returns:
            list[str]: Lines for ``repr``.
        """
        return [f'Replaced labels: \t{self.fraction:.1%}', f'Always wrong: \t{self.flip}', f'Seed: \t{self.seed}']

    def _how(self) -> tuple[float, int, bool]:
        return self.fraction, self.seed, self.flip

    def _num_classes(self, labels: list) -> int:
        return len(self.metainfo.get('classes') or ()) or 1 + max(map(int, labels), default=0)


def corrupted_labels(true: Tensor, num_classes: int, fraction: float, seed: int, flip: bool) -> Tensor:
    """Replace a part of some labels at random.

    Args:
        true (Tensor): ``(n,)`` class indices.
        num_classes (int): Number of classes.
        fraction (float): Which part of the labels is replaced.
        seed (int): Which samples, and by what.
        flip (bool): Whether every replaced label is a wrong one.

    Returns:
        Tensor: ``(n,)`` labels.
    """
    if flip and num_classes < 2:
        raise ValueError('CorruptedLabels: there is only one class, so `flip=True` has none to flip to.')
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(true), generator=generator)[: round(fraction * len(true))]
    labels = true.clone()
    if flip:
        labels[chosen] += torch.randint(1, num_classes, (len(chosen),), generator=generator)
        return labels % num_classes
    labels[chosen] = torch.randint(num_classes, (len(chosen),), generator=generator)
    return labels
