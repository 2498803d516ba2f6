"""The hardest samples of a run, from the table that :class:`mmmix.HardSampleHook` left in its checkpoint."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import default_collate
from torch import Tensor


def annotations(dataset: Any, length: int) -> list[dict]:
    """Path and label of every sample, and the true label where the data set knows another one.

    Args:
        dataset (Dataset): The training set.
        length (int): How many rows the table has.

    Returns:
        list[dict]: ``index``, ``path``, ``label`` and perhaps ``true_label`` of each.

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
        row = {'index': i, 'path': info.get('img_path', ''), 'label': info.get('gt_label', '')}
        if 'true_label' in info:
            row['true_label'] = info['true_label']
        rows.append(row)
    return rows


def hardest_images(view: Any, rows: Sequence[dict], hardness: Tensor, top: int) -> tuple[list[int], list[dict]]:
    """The hardest samples through a pipeline; copies of an image with one label are shown once.

    Args:
        view (Dataset): The training set with the test-time pipeline.
        rows (Sequence[dict]): What :func:`annotations` gave.
        hardness (Tensor): ``(length,)``.
        top (int): How many at the most.

    Returns:
        tuple[list[int], list[dict]]: Their indices, hardest first, and the samples.
    """
    known: set[tuple[bytes, Any]] = set()
    indices, samples = [], []
    for i in hardness.argsort(descending=True, stable=True).tolist():
        sample = view[i]
        key = (sample['inputs'].numpy().tobytes(), rows[i]['label'])
        if key not in known:
            known.add(key)
            indices.append(i)
            samples.append(sample)
        if len(indices) == top:
            break
    return indices, samples


def predictions(model: Any, samples: Sequence[dict]) -> list[int]:
    """What a classifier in eval mode says about some samples, one class each."""
    found: list[int] = []
    with torch.no_grad():
        for start in range(0, len(samples), 32):
            data = model.data_preprocessor(default_collate(samples[start : start + 32]), False)
            found += model.head(model.extract_feat(data['inputs'])).argmax(1).tolist()
    return found


def titles(
    indices: Sequence[int], rows: Sequence[dict], hardness: Tensor, said: Sequence[int], classes: Sequence[str] | None
) -> list[str]:
    """What there is to say of each of the hardest samples: hardness, label, true label, prediction.

    Args:
        indices (Sequence[int]): Which samples.
        rows (Sequence[dict]): What :func:`annotations` gave.
        hardness (Tensor): ``(length,)``.
        said (Sequence[int]): The prediction for each of ``indices``.
        classes (Sequence[str], optional): Names of the classes; None shows their numbers.
    """

    def name(label: Any) -> str:
        return str(classes[label]) if classes and hasattr(label, '__index__') and label < len(classes) else str(label)

    lines = []
    for i, prediction in zip(indices, said, strict=True):
        label = rows[i]['label']
        true = rows[i].get('true_label', label)
        truth = f' (true: {name(true)})' if true != label else ''
        lines.append(f'#{i}, hardness {hardness[i]:.2f}\nlabel {name(label)}{truth}\nsays {name(prediction)}')
    return lines


def write_csv(rows: Sequence[dict], seen: Tensor, missed: Tensor, hardness: Tensor, path: Path) -> None:
    """Write the whole table, hardest samples first.

    Args:
        rows (Sequence[dict]): What :func:`annotations` gave.
        seen (Tensor): ``(length,)`` decayed counts of how often each sample was seen.
        missed (Tensor): ``(length,)`` likewise, and misclassified.
        hardness (Tensor): ``(length,)``.
        path (Path): Where it goes.
    """
    known = ['true_label'] if any('true_label' in row for row in rows) else []
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, ['index', 'path', 'label', 'seen', 'missed', 'hardness', *known])
        writer.writeheader()
        for i in hardness.argsort(descending=True, stable=True).tolist():
            counts = {'seen': f'{seen[i]:.4f}', 'missed': f'{missed[i]:.4f}', 'hardness': f'{hardness[i]:.4f}'}
            writer.writerow({**rows[i], **counts})
