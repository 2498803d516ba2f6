"""How well maps of a classifier show where the object is, though nobody told it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Guide
from ..probes.untouched import untouched

#: 0.05, 0.1, ..., 0.95.
_THRESHOLDS = tuple(step / 20 for step in range(1, 20))
#: ``(top, bottom, left, right)``, the ends not included.
Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class Localization:
    """What a classifier's maps say of where objects are.

    Attributes:
        max_box_acc (float): Percent of images whose box meets the true one with an IoU of at least ``iou``, at the best
            threshold, from the map of the true class.
        threshold (float): That threshold.
        top1_loc (float): Percent of images that are classified right too, at that threshold.
        top1 (float): Percent of images that are classified right.
        curve (dict[float, float]): Percent of boxes that meet the true one, by threshold.
        images (int): How many images were looked at.
    """

    max_box_acc: float
    threshold: float
    top1_loc: float
    top1: float
    curve: dict[float, float]
    images: int


def box_of(importance: Tensor, threshold: float) -> Corners:
    """The box around the largest connected part of a map that is above a threshold.

    Args:
        importance (Tensor): ``(H, W)``.
        threshold (float): In [0, 1], of the way from the least to the largest value.

    Returns:
        Corners: ``(top, bottom, left, right)``; neighbours are above, below and beside, and of parts of one size it is
        the one that begins first. All of the image for a map that is flat.

    Raises:
        ModuleNotFoundError: If there is no SciPy.
    """
    try:
        from scipy import ndimage
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('Boxes of maps need SciPy: run `pip install "mmmix[localization]"`.') from error
    low, high = importance.min(), importance.max()
    above = (importance >= low + threshold * (high - low)).cpu().numpy()
    parts, _ = ndimage.label(above)
    largest = int(torch.from_numpy(parts).flatten().bincount()[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(parts, largest)[largest - 1]
    return rows.start, rows.stop, columns.start, columns.stop


def overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """The intersection over union of two boxes ``(top, bottom, left, right)``."""
    high = min(first[1], second[1]) - max(first[0], second[0])
    wide = min(first[3], second[3]) - max(first[2], second[2])
    both = max(high, 0) * max(wide, 0)
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in (first, second)]
    return both / (sum(areas) - both)


def localize(
    model: nn.Module,
    loader: Iterable[dict],
    guide: Guide,
    thresholds: Sequence[float] = _THRESHOLDS,
    iou: float = 0.5,
    limit: int | None = None,
) -> Localization:
    """Weakly supervised localisation: boxes from maps of the true class, beside boxes that are known.

    MaxBoxAcc of `Evaluating Weakly Supervised Object Localization Methods Right <https://arxiv.org/abs/2001.07437>`_
    and the top-1 localisation of Table 9 in `CutMix <https://arxiv.org/abs/1905.04899>`_: that table has one threshold
    for all, this function the best one on the images that it is given.

    Args:
        model (nn.Module): An mmpretrain classifier; it is left as it was.
        loader (Iterable[dict]): Batches as MMEngine's test loader gives them, with ``box`` ``(top, bottom, left,
            right)`` in the metainfo of each sample.
        guide (Guide): What gives the maps, e.g. :class:`mmmix.ClassActivation`; it is bound to the model.
        thresholds (Sequence[float]): Which to try, in [0, 1); by default 0.05, 0.1 and so on to 0.95.
        iou (float): From which IoU on a box counts. Defaults to 0.5.
        limit (int, optional): Stop after about so many images. Defaults to None, all.

    Returns:
        Localization: Accuracies in percent.

    Raises:
        ValueError: If the loader gives nothing, a sample has no box, or there is no threshold.
    """
    if not thresholds or not all(0 <= threshold < 1 for threshold in thresholds):
        raise ValueError(f'localize: `thresholds` must be numbers in [0, 1), e.g. (0.2,), but got {thresholds!r}.')
    guide.bind(model)
    net: Any = model
    met: dict[float, list[bool]] = {threshold: [] for threshold in thresholds}
    right: list[bool] = []
    for data in loader:
        done = net.data_preprocessor(data, False)
        inputs, samples = done['inputs'], done['data_samples']
        boxes = [sample.get('box') for sample in samples]
        if any(box is None for box in boxes):
            raise ValueError(
                "localize: a sample has no `box`: take a data set that knows it and pack with dict(type='PackInputs', "
                "meta_keys=('box',))."
            )
        labels = torch.cat([sample.gt_label for sample in samples]).to(inputs.device)
        with untouched(model), torch.no_grad():
            logits = net(inputs, mode='tensor')
        logits = logits[-1] if isinstance(logits, (tuple, list)) else logits
        right += (logits.argmax(1) == labels).tolist()
        maps = guide(inputs, F.one_hot(labels, logits.shape[1]).float())[:, 0].cpu()
        for importance, box in zip(maps, boxes, strict=True):
            for threshold, found in met.items():
                found.append(overlap(box_of(importance, threshold), box) >= iou)
        if limit is not None and len(right) >= limit:
            break
    if not right:
        raise ValueError('The loader gave no images: look at `test_dataloader` in the config.')
    curve = {threshold: 100 * sum(found) / len(found) for threshold, found in met.items()}
    best = max(curve, key=lambda threshold: curve[threshold])
    both = [hit and known for hit, known in zip(met[best], right, strict=True)]
    shares = [100 * sum(each) / len(right) for each in (both, right)]
    return Localization(curve[best], best, shares[0], shares[1], curve, len(right))
