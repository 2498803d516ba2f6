"""Rows of numbers instead of images: tables of scikit-learn and CSV files."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmpretrain.datasets import BaseDataset

from ..core import check
from ..core.fields import choice, flag, number, whole
from ..registry import DATASETS

#: What scikit-learn ships with labels of classes; nothing is downloaded.
SHIPPED = ('iris', 'wine', 'breast_cancer', 'digits')
_MISSING = {'', '?', 'nan', 'na'}


@DATASETS.register_module()
class Table(BaseDataset):
    """A table as a classification data set: each row a sample, each column a feature.

    ``source`` is one of scikit-learn's (``'iris'``, ``'wine'``, ``'breast_cancer'``, ``'digits'``) or the path of a CSV
    file whose first line names its columns. Columns whose values are all numbers are one feature, others one for each
    value (one-hot), classes and values in the order of their names. Empty values, ``?`` and ``nan`` get the mean of the
    column in the training split.

    The split is a draw that hangs on ``seed`` alone: of each class ``round(test_fraction * count)`` rows are for tests.
    Features have mean 0 and deviation 1 over the training split. ``img`` is the row, ``(features,)``, float32;
    ``PackInputs`` packs it as it is, :class:`mmmix.MLP` takes it, and :class:`mmmix.Mixup` mixes it.

    Args:
        source (str): A name, or the path of a CSV file.
        split (str): The part to load, "train" or "test". Defaults to "train".
        target (str | int): The column of the label in a CSV file: its name, or its number. Defaults to -1, the last.
        test_fraction (float): Which part of each class is tested on, in [0, 1). Defaults to 1 / 3.
        seed (int): Which rows. Defaults to 0.
        standardize (bool): Whether to scale features. Defaults to True.
        metainfo (dict, optional): Meta information, such as other names for the classes. Defaults to None.
        **kwargs: As mmpretrain's ``BaseDataset`` takes them: ``indices``, ``pipeline``, ``test_mode``, ``lazy_init``.

    Raises:
        FileNotFoundError: If there is no such file.
        ModuleNotFoundError: If the table is scikit-learn's, and there is none.
        ValueError: If an argument is out of range, or the file holds no table with this column.

    Example:
        >>> from mmmix.datasets import Table
        >>> iris = Table('iris', split='test')
        >>> len(iris), iris.metainfo['classes'], iris[0]['img'].shape
        (51, ('setosa', 'versicolor', 'virginica'), (4,))
    """

    def __init__(
        self,
        source: str,
        split: str = 'train',
        target: str | int = -1,
        test_fraction: float = 1 / 3,
        seed: int = 0,
        standardize: bool = True,
        metainfo: dict | None = None,
        **kwargs: Any,
    ):
        self.source, self.target = str(source), target
        self.split, self.test_fraction, self.seed, self.standardize = check(
            self,
            split=(split, choice('train', 'test')),
            test_fraction=(test_fraction, number(default=1 / 3, least=0, below=1)),
            seed=(seed, whole(default=0, least=0)),
            standardize=(standardize, flag()),
        )
        super().__init__(ann_file='', metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read, split and scale.

        Returns:
            list[dict]: ``img``, ``(features,)``, float32, and ``gt_label`` of each row.
        """
        if self.source in SHIPPED:
            rows, labels, classes = self._shipped()
        else:
            rows, labels, classes = self._read()
        self._metainfo.setdefault('classes', classes)
        in_test = rows_to_test(labels, self.test_fraction, self.seed)
        if in_test.all():
            raise ValueError(f'Table: no row of {self.source} is left to train on: set a smaller `test_fraction`.')
        rows = self._filled(rows, ~in_test)
        chosen = in_test if self.split == 'test' else ~in_test
        return [dict(img=row, gt_label=int(label)) for row, label in zip(rows[chosen], labels[chosen], strict=True)]

    def _filled(self, rows: np.ndarray, training: np.ndarray) -> np.ndarray:
        """Rows without gaps, scaled by what the training rows are like."""
        # A column without any value is one of zeros.
        known = np.isfinite(rows[training])
        mean = np.where(known, rows[training], 0).sum(0) / known.sum(0).clip(min=1)
        rows = np.where(np.isfinite(rows), rows, mean)
        if self.standardize:
            deviation = rows[training].std(0)
            rows = (rows - mean) / np.where(deviation > 0, deviation, 1)
        return rows.astype(np.float32)

    def _shipped(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        try:
            from sklearn import datasets
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'mmmix.Table needs scikit-learn for its tables: run `pip install "mmmix[quickstart]"`.'
            ) from error
        found = getattr(datasets, f'load_{self.source}')()
        return found.data.astype(np.float64), found.target.astype(np.int64), tuple(map(str, found.target_names))

    def _read(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        path = Path(self.source)
        if not path.is_file():
            raise FileNotFoundError(
                f'Table: there is no file {path}, nor has scikit-learn such a table: it has {", ".join(SHIPPED)}.'
            )
        with path.open(newline='', encoding='utf-8-sig') as file:
            header, *lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line] or [[]]
        bad = next((i for i, line in enumerate(lines, 2) if len(line) != len(header)), None)
        if not lines or bad is not None:
            what = 'has no rows' if bad is None else f'has {len(lines[bad - 2])} cells in row {bad}'
            raise ValueError(f'Table: {path} {what}: it needs a line of names and rows of {len(header)} cells.')
        place = self._column(header)
        columns = [list(column) for column in zip(*lines, strict=True)]
        words = columns.pop(place)
        if any(word.lower() in _MISSING for word in words):
            raise ValueError(f'Table: a label in column {header[place]!r} of {path} is missing: leave that row out.')
        classes = _sorted(words)
        labels = np.array([classes.index(word) for word in words])
        return np.concatenate([_features(column) for column in columns], 1), labels, tuple(classes)

    def _column(self, header: Sequence[str]) -> int:
        """The number of the label's column."""
        if isinstance(self.target, str) and self.target in header:
            return header.index(self.target)
        if isinstance(self.target, int) and -len(header) <= self.target < len(header) and len(header) > 1:
            return self.target % len(header)
        raise ValueError(
            f'Table: `target` must name the column of the label, one of {list(header)}, but got {self.target!r}.'
        )

    def extra_repr(self) -> list[str]:
        """Describe the table.

        Returns:
            list[str]: Lines for ``repr``.
        """
        return [f'Source: \t{self.source}', f'Split: \t{self.split}, {self.test_fraction:.1%} tested, seed {self.seed}']


def rows_to_test(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which rows are tested on, ``(n,)``, bool: the same share of each class."""
    generator, chosen = torch.Generator().manual_seed(seed), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        order = torch.randperm(len(places), generator=generator).numpy()
        chosen[places[order[: round(fraction * len(places))]]] = True
    return chosen


def _number(word: str) -> float | None:
    """The number that a cell holds, NaN for a gap, None for a word."""
    if word.lower() in _MISSING:
        return float('nan')
    try:
        return float(word)
    except ValueError:
        return None


def _sorted(words: Sequence[str]) -> list[str]:
    """The values of a column, numbers by their size."""
    numbers = {word: _number(word) for word in set(words)}
    if all(value is not None for value in numbers.values()):
        return sorted(numbers, key=lambda word: (numbers[word], word))
    return sorted(numbers)


def _features(column: Sequence[str]) -> np.ndarray:
    """A column as features, ``(n, 1)`` or one for each of its words."""
    values = [_number(word) for word in column]
    if all(value is not None for value in values):
        return np.array(values, dtype=np.float64)[:, None]
    known = [word for word in _sorted(column) if word.lower() not in _MISSING]
    gap = [word.lower() in _MISSING for word in column]
    onehot = np.array([[float(word == each) for each in known] for word in column])
    return np.where(np.array(gap)[:, None], np.nan, onehot)
