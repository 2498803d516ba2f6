"""Boxes of a mixed batch: what is still to be seen of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .sources import Layer, Sources

#: How many boxes are looked at in one go: each costs a map of the image's size.
_AT_ONCE = 16


@dataclass(frozen=True)
class MixedBoxes:
    """The boxes of one mixed image.

    Attributes:
        boxes (Tensor): ``(B, 4)`` left, top, right and bottom in pixels, around what is still to be seen.
        image (Tensor): ``(B,)`` which image of the batch each comes from.
        index (Tensor): ``(B,)`` which box of that image it was: ``labels[image][index]`` is its label.
        weights (Tensor): ``(B,)``, float32: the share of its pixels that is to be seen, in a blend each by its share.
        other (Tensor): ``(B,)``, bool: whether it was let in by the mask, not kept by it.
    """

    boxes: Tensor
    image: Tensor
    index: Tensor
    weights: Tensor
    other: Tensor


def mix_boxes(sources: Sources, boxes: Sequence[Tensor], least_visible: float = 0.1) -> list[MixedBoxes]:
    """The boxes of a mixed batch: kept, cut to what is to be seen, or dropped.

    A pixel belongs to a box if its centre lies inside. An edge of a box is left as it is unless pixels at it are gone;
    then, and in partners that were resized, it is the edge of the pixels that are left. An image that nothing was done
    to keeps its boxes as they are. How many boxes are left is known to the device alone, so this waits for it.

    Args:
        sources (Sources): What :func:`mmmix.core.sources.trace` gave, of a mixer of pairs.
        boxes (Sequence[Tensor]): For each clean image ``(B, 4)`` left, top, right and bottom in pixels.
        least_visible (float): Boxes of whose pixels a smaller share is to be seen are dropped, and so are those that
            hold no pixel's centre. Defaults to 0.1.

    Returns:
        list[MixedBoxes]: For each mixed image, its own boxes first.

    Raises:
        ValueError: If the boxes do not fit the images, or the mixer shows an image in several places.

    Example:
        >>> import torch
        >>> from mmmix import Mixup
        >>> from mmmix.core.mixed_boxes import mix_boxes
        >>> from mmmix.core.sources import trace
        >>> boxes = [torch.tensor([[1.0, 2.0, 5.0, 6.0]]), torch.zeros(0, 4)]
        >>> _ = torch.manual_seed(1)
        >>> found = mix_boxes(trace(Mixup(), torch.rand(2, 3, 8, 8)), boxes)
        >>> [(each.boxes.tolist(), each.image.tolist()) for each in found]
        [([[1.0, 2.0, 5.0, 6.0]], [0]), ([[1.0, 2.0, 5.0, 6.0]], [0])]
        >>> bool(found[0].weights + found[1].weights == 1)
        True
    """
    _check_boxes(sources, boxes, least_visible)
    found = []
    for i, own in enumerate(boxes):
        partner = int(sources.mix.partner[i])
        moved_in = _shows(sources.other, i)
        if not moved_in and _untouched(sources, i):
            found.append(_all_of(own, i))
            continue
        parts = [_seen(sources.own, i, i, own, sources.mix.pool)]
        if moved_in:
            parts.append(_seen(sources.other, i, partner, boxes[partner], sources.mix.pool))
        places, weights = (torch.cat([part[which] for part in parts]) for which in (0, 1))
        counts = [len(part[1]) for part in parts]
        image = torch.tensor([i] * counts[0] + [partner] * sum(counts[1:]), device=own.device)
        index = torch.cat([torch.arange(n, device=own.device) for n in counts])
        keep = (weights >= least_visible) & (weights > 0)
        is_other = torch.arange(len(weights), device=own.device) >= counts[0]
        found.append(MixedBoxes(places[keep], image[keep], index[keep], weights[keep], is_other[keep]))
    return found


def _check_boxes(sources: Sources, boxes: Sequence[Tensor], least_visible: float) -> None:
    """Refuse boxes that do not fit."""
    if not sources.pairs:
        raise ValueError(
            'Boxes can be mixed where an image shows one partner in one place: take CutMix, Mixup or another mixer of '
            'pairs. Label maps follow collages too.'
        )
    if not 0 <= least_visible <= 1:
        raise ValueError(f'`least_visible` must lie in [0, 1], but got {least_visible}: 0.1 drops what is nearly gone.')
    if len(boxes) != len(sources.mix.pool):
        raise ValueError(f'Got boxes of {len(boxes)} images, but {len(sources.mix.pool)} images: pass one tensor each.')
    for i, each in enumerate(boxes):
        if each.ndim != 2 or each.shape[1] != 4 or not each.is_floating_point():
            raise ValueError(
                f'Boxes of image {i} have the shape {tuple(each.shape)} and are {each.dtype}: expected floating point '
                '(B, 4), left, top, right, bottom; an image without any has torch.zeros(0, 4).'
            )
        if bool((each[:, 2:] < each[:, :2]).any()):
            raise ValueError(f'A box of image {i} ends before it begins: boxes are left, top, right, bottom.')


def _in_place(layer: Layer, i: int) -> Tensor:
    """Which pixels of image ``i`` are those of the own image in their places, ``(H, W)``."""
    return (layer.row[i] == i) & (layer.y[i] == _line(layer.y[i], 0)) & (layer.x[i] == _line(layer.x[i], 1))


def _untouched(sources: Sources, i: int) -> bool:
    """Whether image ``i`` shows all of itself where it was, and nothing else."""
    return all(bool((_in_place(layer, i) | (layer.weight[i] == 0)).all()) for layer in sources.layers)


def _shows(layer: Layer, i: int) -> bool:
    """Whether a layer adds anything to an image; one that meets itself in the same place does not."""
    seen = (layer.weight[i] > 0) & (layer.row[i] >= 0)
    return bool((seen & ~_in_place(layer, i)).any())


def _all_of(boxes: Tensor, i: int) -> MixedBoxes:
    """All boxes of an image as they are."""
    rows = torch.full((len(boxes),), i, device=boxes.device)
    whole = torch.ones(len(boxes), device=boxes.device)
    return MixedBoxes(boxes, rows, torch.arange(len(boxes), device=boxes.device), whole, rows < 0)


def _seen(layer: Layer, i: int, row: int, boxes: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Where boxes of one image lie in mixed image ``i``, ``(B, 4)``, and how much of each is seen, ``(B,)``."""
    parts = [_seen_of_few(layer, i, row, few, clean) for few in boxes.split(_AT_ONCE)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _seen_of_few(layer: Layer, i: int, row: int, boxes: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    weight = layer.weight[i] * (layer.row[i] == row)
    y, x, seen = layer.y[i], layer.x[i], weight > 0
    left, top, right, bottom = boxes[:, :, None, None].unbind(1)
    inside = (x + 0.5 >= left) & (x + 0.5 < right) & (y + 0.5 >= top) & (y + 0.5 < bottom) & seen
    # How many pixels each box has in its own image.
    height, width = clean.shape[2:]
    first, beyond = (boxes[:, :2] - 0.5).ceil().clamp(min=0), (boxes[:, 2:] - 0.5).ceil()
    limits = boxes.new_tensor([width, height])
    whole = torch.cat([torch.minimum(first, limits), torch.minimum(beyond, limits)], 1)
    pixels = (whole[:, 2:] - whole[:, :2]).clamp(min=0).prod(1)
    amount = (inside * weight).sum((1, 2)) * _step(y, seen, 0) * _step(x, seen, 1) / pixels.clamp(min=1)
    columns, rows = (_ends(inside.any(over)) for over in (1, 2))
    found = torch.stack([columns[0], rows[0], columns[1], rows[1]], 1).to(boxes.dtype)
    # Where the outermost pixels of a box are still there, and where they were, its edge is what it was.
    stands = ((y == _line(y, 0)) & (x == _line(x, 1)) | ~seen).all()
    return torch.where(stands & (found == whole), boxes, found), amount.float().clamp(max=1)


def _ends(shown: Tensor) -> tuple[Tensor, Tensor]:
    """The first place that is shown and the one behind the last, of each row of ``(B, side)``; 0 and 0 if none is."""
    side = shown.shape[1]
    places = torch.arange(side, device=shown.device)
    beyond = torch.where(shown, places + 1, 0).amax(1)
    return torch.where(shown, places, side).amin(1) * (beyond > 0), beyond


def _line(like: Tensor, axis: int) -> Tensor:
    """The numbers of the rows or columns of a map, to be compared with it."""
    places = torch.arange(like.shape[axis], device=like.device)
    return places[:, None] if axis == 0 else places


def _step(places: Tensor, seen: Tensor, axis: int) -> Tensor:
    """How many pixels of the clean image go into one of the mixed image along an axis; 1 if it was not resized."""
    neighbours = seen.narrow(axis, 1, seen.shape[axis] - 1) & seen.narrow(axis, 0, seen.shape[axis] - 1)
    steps = torch.where(neighbours, places.diff(dim=axis), torch.nan).nanmedian()
    return torch.nan_to_num(steps, nan=1.0)


def taken(values: Sequence[Tensor], found: MixedBoxes) -> Tensor:
    """What belongs to the boxes of a mixed image, from what belongs to those of each clean image: labels, flags.

    Args:
        values (Sequence[Tensor]): For each clean image a row for each of its boxes.
        found (MixedBoxes): The boxes.

    Returns:
        Tensor: A row for each box that was found.
    """
    starts = torch.tensor([0, *(len(each) for each in values)]).cumsum(0).to(found.index.device)
    return torch.cat(list(values))[starts[found.image] + found.index]
