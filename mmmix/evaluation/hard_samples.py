"""The hardest samples of a run, from the table that :class:`mmmix.HardSampleHook` left in its checkpoint."""

import csv
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import default_collate
from torch import Tensor

from ..datasets.names import class_name


def annotations(dataset: Any, length: int) -> list[dict]:
    """Name and label of every sample, and the true label where the data set knows another one.

    Args:
        dataset (Dataset): The training set.
        length (int): How many rows the table has.

    Returns:
        list[dict]: ``index``, ``sample``, ``label`` and perhaps ``true_label`` of each. A sample is called by its path,
        one without a file by its data set and its place there: ``Digits[17]``.

    Raises:
        ValueError: If the table is of another training set.
    """
    if len(dataset) != length:
        raise ValueError(
            f'the table has {length} rows but the training set {len(dataset)} samples: name the right --config'
        )
    rows = []
    for i in range(length):
        info = dataset.get_data_info(i)
        name = info.get('img_path') or f'{type(_home_of(dataset, i)).__name__}[{info.get("sample_idx", i)}]'
        row = {'index': i, 'sample': name, 'label': info.get('gt_label', '')}
        if 'true_label' in info:
            row['true_label'] = info['true_label']
        rows.append(row)
    return rows


def _home_of(dataset: Any, index: int) -> Any:
    """The data set in the wrappers that a sample comes from."""
    while True:
        if hasattr(dataset, 'datasets') and hasattr(dataset, 'cumulative_sizes'):
            part = bisect_right(dataset.cumulative_sizes, index)
            index -= dataset.cumulative_sizes[part - 1] if part else 0
            dataset = dataset.datasets[part]
        else:
            inner = getattr(dataset, 'dataset', getattr(dataset, '_dataset', None))
            if inner is None:
                return dataset
            index, dataset = index % len(inner), inner


@dataclass(frozen=True)
class Wanted:
    """Which samples to look at.

    Args:
        agreement (str, optional): ``'contradicted'`` for those whose label the network contradicts, ``'confirmed'`` for
            the others. Defaults to None, both.
        label (int, optional): Of which label. Defaults to None, any.
        prediction (int, optional): Of which prediction. Defaults to None, any.
    """

    agreement: str | None = None
    label: int | None = None
    prediction: int | None = None

    def labelled(self, row: dict) -> bool:
        """Whether the label fits, whatever the network says."""
        return self.label is None or row['label'] == self.label

    def __call__(self, row: dict) -> bool:
        """Whether a sample that the network has classified is wanted."""
        return (
            self.labelled(row)
            and (self.prediction is None or row['prediction'] == self.prediction)
            and (self.agreement is None or contradicted(row) == (self.agreement == 'contradicted'))
        )


def contradicted(row: dict) -> bool:
    """Whether the network says another class than the label."""
    return row['prediction'] != row['label']


def class_number(given: str, classes: Sequence[str] | None) -> int:
    """The class that somebody named, by its name or its number.

    Args:
        given (str): The name or the number.
        classes (Sequence[str], optional): Names of the classes.

    Raises:
        ValueError: If there is no such class.
    """
    names = [str(name) for name in classes or ()]
    if given in names:
        return names.index(given)
    if given.isdecimal():
        return int(given)
    like = get_close_matches(given, names)
    raise ValueError(f'there is no class {given!r}: ' + (f'did you mean {like[0]!r}?' if like else 'give its number'))


def classify(
    view: Any, order: Iterable[int], rows: Sequence[dict], model: Any, batch_size: int = 32
) -> Iterator[tuple[int, dict]]:
    """Look at samples in an order, and note what the network says of them in the ``prediction`` of their rows.

    Args:
        view (Dataset): The training set with the test-time pipeline.
        order (Iterable[int]): The indices.
        rows (Sequence[dict]): What :func:`annotations` gave.
        model (ImageClassifier): A classifier in eval mode.
        batch_size (int): How many at once. Defaults to 32.

    Yields:
        tuple[int, dict]: Index and sample.
    """
    left = iter(order)
    while indices := list(islice(left, batch_size)):
        samples = [view[i] for i in indices]
        with torch.no_grad():
            data = model.data_preprocessor(default_collate(samples), False)
            said = model.head(model.extract_feat(data['inputs'])).argmax(1).tolist()
        for i, prediction in zip(indices, said, strict=True):
            rows[i]['prediction'] = prediction
        yield from zip(indices, samples, strict=True)


def hardest_images(
    looked_at: Iterable[tuple[int, dict]],
    rows: Sequence[dict],
    top: int,
    wanted: Callable[[dict], bool],
    tell: Callable[[bool], object] = bool,
) -> tuple[list[int], list[dict]]:
    """The first samples that are wanted; copies of an image with one label are shown once.

    Args:
        looked_at (Iterable[tuple[int, dict]]): Indices and samples, hardest first.
        rows (Sequence[dict]): What :func:`annotations` gave.
        top (int): How many at the most.
        wanted (Callable[[dict], bool]): Whether the sample of a row is.
        tell (Callable[[bool], object]): Is called for each sample that was looked at, with whether it is shown. By
            default nobody is told.

    Returns:
        tuple[list[int], list[dict]]: Their indices and the samples.
    """
    known: set[tuple[bytes, Any]] = set()
    indices, samples = [], []
    for i, sample in looked_at:
        key = (sample['inputs'].numpy().tobytes(), rows[i]['label'])
        shown = key not in known and wanted(rows[i])
        tell(shown)
        if shown:
            known.add(key)
            indices.append(i)
            samples.append(sample)
        if len(indices) == top:
            break
    return indices, samples


def hardest_first(hardness: Tensor) -> list[int]:
    """Indices of all samples, hardest first."""
    found: list[int] = hardness.argsort(descending=True, stable=True).tolist()
    return found


def titles(indices: Sequence[int], rows: Sequence[dict], hardness: Tensor, classes: Sequence[str] | None) -> list[str]:
    """What there is to say of each of the hardest samples: hardness, label, true label, prediction.

    Args:
        indices (Sequence[int]): Which samples.
        rows (Sequence[dict]): What :func:`annotations` gave, with the predictions of :func:`classify`.
        hardness (Tensor): ``(length,)``.
        classes (Sequence[str], optional): Names of the classes; None shows their numbers.
    """
    lines = []
    for i in indices:
        label, said = rows[i]['label'], class_name(rows[i]['prediction'], classes)
        true = rows[i].get('true_label', label)
        truth = f' (true: {class_name(true, classes)})' if true != label else ''
        lines.append(f'#{i}, hardness {hardness[i]:.2f}\nlabel {class_name(label, classes)}{truth}\nsays {said}')
    return lines


def write_csv(rows: Sequence[dict], seen: Tensor, missed: Tensor, hardness: Tensor, path: Path) -> None:
    """Write the whole table, hardest samples first.

    Args:
        rows (Sequence[dict]): What :func:`annotations` gave, some with the predictions of :func:`classify`.
        seen (Tensor): ``(length,)`` decayed counts of how often each sample was seen.
        missed (Tensor): ``(length,)`` likewise, and misclassified.
        hardness (Tensor): ``(length,)``.
        path (Path): Where it goes.
    """
    known = ['true_label'] if any('true_label' in row for row in rows) else []
    columns = ['index', 'sample', 'label', 'prediction', 'seen', 'missed', 'hardness', *known]
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for i in hardest_first(hardness):
            counts = {'seen': f'{seen[i]:.4f}', 'missed': f'{missed[i]:.4f}', 'hardness': f'{hardness[i]:.4f}'}
            writer.writerow({**rows[i], **counts})
