"""KeepAugment around transforms that move pixels: annotations move along, or it is refused."""

from typing import Any

import numpy as np
import pytest

from mmmix.datasets.transforms import KeepAugment, KeepAutoAugment, KeepRandAugment
from mmmix.datasets.transforms.annotations import movers_in


class Shift:
    """Move the image and all that lies in it to the right, as transforms of mmdet and mmseg do."""

    def __init__(self, columns: int):
        self.columns = columns

    def __call__(self, results: dict) -> dict:
        moved = dict(results)
        for key in ('img', 'gt_seg_map'):
            moved[key] = np.roll(results[key], self.columns, axis=1)
        moved['gt_bboxes'] = results['gt_bboxes'] + np.array([self.columns, 0, self.columns, 0], np.float32)
        moved['gt_masks'] = [np.roll(mask, self.columns, axis=1) for mask in results['gt_masks']]
        return moved


def sample() -> dict[str, Any]:
    """A white object on black, with boxes and masks as mmdet makes them and a map as mmseg does."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[10:16, 4:12] = 255
    mask = (image[..., 0] > 0).astype(np.uint8)
    boxes = np.array([[4, 10, 12, 16]], np.float32)
    return dict(img=image, gt_bboxes=boxes, gt_bboxes_labels=np.array([3]), gt_masks=[mask], gt_seg_map=mask.copy())


@pytest.mark.parametrize('guide', ['model', 'spectral_residual'])
def test_annotations_move_with_the_image(guide: str) -> None:
    results = KeepAugment([Shift(13)], guide=guide, length=2)(sample())
    assert results is not None
    x0, y0, x1, y1 = results['gt_bboxes'][0].astype(int)
    inside = np.zeros((32, 48), bool)
    inside[y0:y1, x0:x1] = True
    white = results['img'][..., 0] > 0
    assert (x0, x1) == (17, 25) and white[inside].mean() > 0.9, 'the box lies on the object'
    assert np.array_equal(results['gt_seg_map'] > 0, inside) and np.array_equal(results['gt_masks'][0] > 0, inside)
    assert results['gt_bboxes_labels'].tolist() == [3]
    if guide == 'model':
        assert (results['clean_view'][0, 10:16, 4:12] == 255).all()


@pytest.mark.parametrize(
    ('transform', 'mover'),
    [
        (lambda: KeepAugment([dict(type='mmpretrain.Translate', magnitude=0.4)]), 'Translate'),
        (lambda: KeepAugment([dict(type='torchvision/RandomRotation', degrees=30)]), 'RandomRotation'),
        (lambda: KeepRandAugment(), 'Shear'),
        (lambda: KeepAutoAugment(), 'Rotate'),
        (lambda: KeepAutoAugment('cifar10'), 'AutoAugment'),
        (lambda: KeepAutoAugment('cifar10', magnitude=12), 'AutoAugmentAt'),
    ],
    ids=['translate', 'torchvision', 'randaugment', 'autoaugment', 'cifar10', 'magnitude'],
)
@pytest.mark.parametrize('key', ['gt_bboxes', 'gt_masks', 'gt_seg_map', 'gt_keypoints'])
def test_what_would_leave_annotations_behind_is_refused(transform: Any, mover: str, key: str) -> None:
    given = sample()
    results = dict(img=given['img'], **{key: given.get(key, np.zeros((1, 4, 3)))})
    with pytest.raises(ValueError) as error:
        transform()(results)
    said = str(error.value)
    assert mover in said and f'not `{key}`' in said and 'mmdet' in said and '\n' not in said
    assert transform()(dict(img=given['img'], gt_label=3)) is not None, 'a class label lies nowhere'


def test_colours_may_change_under_annotations() -> None:
    given = sample()
    kept = KeepAugment([dict(type='Invert', prob=1.0), dict(type='torchvision/ColorJitter', brightness=0.4)])(given)
    assert kept is not None and np.array_equal(kept['gt_bboxes'], given['gt_bboxes'])
    assert movers_in([dict(type='Posterize', bits=4, prob=1.0), Shift(3)]) == ()


def test_transforms_behind_the_policies_come_in_front_of_the_paste() -> None:
    """All that Cutout erases is grey in the augmented view, and the clean view knows nothing of it."""
    erase = dict(type='mmpretrain.Cutout', shape=(20, 20), pad_val=77, prob=1.0)
    image = np.full((32, 32, 3), 200, np.uint8)
    results = KeepAutoAugment('cifar10', then=[erase])(dict(img=image))
    assert results is not None and (results['img'] == 77).all(2).sum() >= 100 and (results['clean_view'] == 200).all()
