"""Batches of torchvision's detectors, mixed."""

from collections.abc import Mapping, Sequence

from torch import Tensor, stack

from .mixed_boxes import MixedBoxes, mix_boxes, taken
from .mixer import Mixer
from .sources import Sources, trace


def mix_detection(
    mixer: Mixer,
    images: Tensor | Sequence[Tensor],
    targets: Sequence[Mapping[str, Tensor]],
    least_visible: float = 0.1,
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Mix a batch for torchvision's detectors.

    Args:
        mixer (Mixer): A mixer of pairs.
        images (Tensor | Sequence[Tensor]): ``(N, C, H, W)``, or a list of images of one size.
        targets (Sequence[Mapping[str, Tensor]]): For each image ``boxes`` and ``labels``, and if need be ``masks``
            ``(B, H, W)`` and ``iscrowd``; ``image_id`` is handed on, ``area`` is worked out anew.
        least_visible (float): See :func:`mix_boxes`. Defaults to 0.1.

    Returns:
        tuple[Tensor, list[dict[str, Tensor]]]: The mixed images, and new targets, which have ``weights`` ``(B,)`` too.
        torchvision's losses take no weights; what is seen little of can be dropped by a higher ``least_visible``.

    Raises:
        ValueError: If the images differ in size, or a target has a key that cannot be mixed.

    Example:
        >>> import torch
        >>> from mmmix import CutMix
        >>> from mmmix.core.detection import mix_detection
        >>> boxes = torch.tensor([[1.0, 2.0, 5.0, 6.0]])
        >>> targets = [dict(boxes=boxes, labels=torch.tensor([i + 1])) for i in range(4)]
        >>> images, mixed = mix_detection(CutMix(), torch.rand(4, 3, 8, 8), targets)
        >>> sorted(mixed[0])
        ['boxes', 'labels', 'weights']
    """
    if not isinstance(images, Tensor):
        if len({each.shape for each in images}) > 1:
            raise ValueError('Only images of one size can be mixed: resize, crop or pad them (and their boxes) first.')
        images = stack(list(images))
    known = {'boxes', 'labels', 'masks', 'iscrowd', 'area', 'image_id'}
    for target in targets:
        if unknown := set(target) - known:
            raise ValueError(f'`{sorted(unknown)[0]}` of a target cannot be mixed: leave it out of the targets.')
    sources = trace(mixer, images)
    found = mix_boxes(sources, [target['boxes'] for target in targets], least_visible)
    return sources.mix.images, [_target(sources, i, found[i], targets) for i in range(len(targets))]


def _target(sources: Sources, i: int, found: MixedBoxes, targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The new target of an image."""
    target = {key: targets[i][key] for key in ('image_id',) if key in targets[i]}
    target.update(boxes=found.boxes, weights=found.weights)
    for key in ('labels', 'iscrowd'):
        if key in targets[i]:
            target[key] = taken([each[key] for each in targets], found)
    if 'area' in targets[i]:
        target['area'] = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(1)
    if 'masks' in targets[i]:
        masks = taken([each['masks'] for each in targets], found)
        for box in range(len(masks)):
            masks[box] = _mask(sources, i, box, found, masks)
        target['masks'] = masks
    return target


def _mask(sources: Sources, i: int, box: int, found: MixedBoxes, masks: Tensor) -> Tensor:
    """What is to be seen of an object, ``(H, W)``."""
    layer = sources.layers[int(found.other[box])]
    _, y, x = layer.nearest(*masks.shape[1:])
    seen = (layer.weight[i] > 0) & (layer.row[i] == found.image[box])
    return masks[box][y[i], x[i]] * seen
