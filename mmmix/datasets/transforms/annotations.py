"""Annotations that lie somewhere in the image, and transforms that would leave them behind."""

from collections.abc import Iterator, Sequence
from typing import Any

#: Keys of pipelines of mmdet, mmseg and mmpose under which something lies somewhere in the image.
PLACED = ('gt_bboxes', 'gt_masks', 'gt_seg_map', 'gt_semantic_seg', 'gt_keypoints', 'gt_instances', 'proposals')
#: Transforms of mmpretrain that move pixels and nothing else.
_HOST = {'Rotate', 'Shear', 'Translate'}
#: Transforms of torchvision that move pixels; they are given the image alone.
_TORCHVISION = {
    'AugMix', 'AutoAugment', 'AutoAugmentAt', 'ElasticTransform', 'RandAugment', 'RandomAffine', 'RandomHorizontalFlip',
    'RandomPerspective', 'RandomRotation', 'RandomVerticalFlip', 'TrivialAugmentWide',
}  # fmt: skip


def movers_in(transforms: Sequence[Any]) -> tuple[str, ...]:
    """The names of transforms that move pixels and know nothing of annotations, inside policies too.

    Args:
        transforms (Sequence): Transforms, or configs of them.
    """
    found = {}
    for module, name in _named(list(transforms)):
        if (name in _HOST and module.startswith('mmpretrain')) or (name in _TORCHVISION and 'mmpretrain' not in module):
            found[name] = True
    return tuple(found)


def check_annotations(results: dict, movers: Sequence[str], owner: str) -> None:
    """Refuse to move pixels under annotations that stay.

    Args:
        results (dict): A sample on its way through a pipeline.
        movers (Sequence[str]): What :func:`movers_in` found.
        owner (str): Who moves, for the error.

    Raises:
        ValueError: If there are such annotations, and such transforms.
    """
    left = [key for key in PLACED if results.get(key) is not None]
    if movers and left:
        raise ValueError(
            f'{owner}: {", ".join(movers)} move pixels but not {", ".join(f"`{key}`" for key in left)}: use transforms '
            'that move annotations too, such as those of mmdet or mmseg, or operations that change colours only.'
        )


def _named(item: Any) -> Iterator[tuple[str, str]]:
    """Module and name of all transforms in a nest of transforms, lists and configs."""
    if isinstance(item, dict):
        kind = item.get('type')
        if kind is not None:
            scope, _, name = (kind if isinstance(kind, str) else f'{kind.__module__}.{kind.__name__}').rpartition('.')
            yield scope or 'mmpretrain', name.rpartition('/')[2]
        for value in item.values():
            yield from _named(value)
    elif isinstance(item, (list, tuple)):
        for value in item:
            yield from _named(value)
    elif hasattr(item, '__dict__'):
        yield type(item).__module__, type(item).__name__
        for key in ('transforms', 'policies', 'inner', 't'):
            yield from _named(vars(item).get(key))
