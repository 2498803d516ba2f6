"""Scattered digits: what is known of a scene is true of it, and nothing of one split is in the other."""

import doctest
import sys
from hashlib import sha256

import numpy as np
import pytest
from mmpretrain.registry import DATASETS

from mmmix.datasets import Digits, ScatteredDigits, scattered_digits


def scenes_of(dataset: ScatteredDigits) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.fixture(scope='module')
def scenes() -> dict[str, list[dict]]:
    return {split: scenes_of(ScatteredDigits(split=split)) for split in ('train', 'test')}


def test_scenes_are_what_a_cifar_pipeline_expects(scenes):
    assert {split: len(found) for split, found in scenes.items()} == {'train': 1352, 'test': 445}
    for split, found in scenes.items():
        images = np.stack([scene['img'] for scene in found])
        assert images.shape[1:] == (32, 32, 3) and images.dtype == np.uint8
        labels = [scene['gt_label'] for scene in found]
        assert labels == Digits(split=split).get_gt_labels().tolist()
        assert all(type(label) is int for label in labels)
        assert 30 < images.mean() < 100


def test_ink_is_the_digit_and_the_box_is_just_around_it(scenes):
    """The ink is an enlarged digit of the data set and nothing else; the canvas has its colour where it is thick."""
    plain = {side: Digits(split='test', size=side) for side in range(16, 25)}
    sides, sure = set(), 0
    for row, scene in enumerate(scenes['test'][:100]):
        ink, (top, bottom, left, right) = scene['ink'], scene['box']
        assert ink.shape == (32, 32) and ink.dtype == np.uint8
        inside = ink[top:bottom, left:right]
        assert inside.sum() == ink.sum() > 0
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        drawn = {side: digits.get_data_info(row)['img'][..., 0] for side, digits in plain.items()}
        fits = [side for side, digit in drawn.items() if np.array_equal(trimmed(digit), inside)]
        assert fits
        sides.update(fits)
        thick = scene['img'][ink >= 254].astype(int)
        if len(thick):
            # At 254 of 255 what lies below may still shine through by one level.
            assert np.ptp(thick, axis=0).max() <= 1 and thick.max(1).min() >= 254
            sure += 1
    assert len(sides) >= 6 and sure > 30


def trimmed(digit: np.ndarray) -> np.ndarray:
    """A digit without its empty border."""
    rows, columns = (np.flatnonzero(digit.any(axis)) for axis in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_without_clutter_there_is_the_digit_alone():
    for scene in scenes_of(ScatteredDigits(split='test', clutter=0, indices=20)):
        ground = scene['img'][scene['ink'] == 0]
        assert (ground == ground[0]).all() and ground.max() <= 64
        assert (scene['img'][scene['ink'] > 40] != ground[0]).any(1).all()


def test_clutter_is_around_the_digit_and_never_over_it(scenes):
    covered = []
    for scene in scenes['test'][:50]:
        ground = scene['img'][scene['ink'] == 0]
        values, counts = np.unique(ground.reshape(-1, 3), axis=0, return_counts=True)
        covered.append(1 - counts.max() / len(ground))
        assert np.abs(values[counts.argmax()].astype(int)).max() <= 64
    assert 0.08 < np.mean(covered) < 0.4


def test_places_are_all_over_the_canvas(scenes):
    boxes = np.array([scene['box'] for scene in scenes['train']])
    assert boxes[:, [0, 2]].min() == 0 and boxes[:, [1, 3]].max() == 32
    centres = (boxes[:, 0] + boxes[:, 1]) / 2
    assert abs(centres.mean() - 16) < 0.5 and centres.std() > 2
    assert abs(np.corrcoef(boxes[:, 0], boxes[:, 2])[0, 1]) < 0.15


def test_scenes_never_change(scenes):
    digest = sha256(b''.join(scene['ink'].tobytes() for scene in scenes['test'])).hexdigest()[:16]
    assert digest == '5976d464470ecc08'
    again = scenes_of(ScatteredDigits(split='test'))
    assert all(np.array_equal(a['img'], b['img']) for a, b in zip(again, scenes['test'], strict=True))
    other = scenes_of(ScatteredDigits(split='test', seed=1))
    assert not any(np.array_equal(a['img'], b['img']) for a, b in zip(other, again, strict=True))
    assert [a['gt_label'] for a in other] == [b['gt_label'] for b in again]


def test_no_digit_image_is_in_both_splits(monkeypatch):
    """Whatever goes into a scene, whole or in pieces, comes from the digits of its split."""
    used: dict[str, set[bytes]] = {}
    for split in ('train', 'test'):
        seen = used.setdefault(split, set())

        def enlarged(image, size, seen=seen):
            seen.add(image.tobytes())
            return np.full((size, size), 9, np.uint8)

        monkeypatch.setattr(scattered_digits, 'enlarged', enlarged)
        ScatteredDigits(split=split)
    assert used['train'] and used['test'] and not used['train'] & used['test']
    assert len(used['test']) == len({image.tobytes() for image, _ in scattered_digits.digits_of(None, 'test')})


def test_several_scenes_of_each_digit_lie_elsewhere(scenes):
    twice = scenes_of(ScatteredDigits(split='test', scenes=2))
    assert len(twice) == 890
    first, second = twice[:445], twice[445:]
    assert all(np.array_equal(a['img'], b['img']) for a, b in zip(first, scenes['test'], strict=True))
    assert [a['gt_label'] for a in first] == [b['gt_label'] for b in second]
    assert not any(np.array_equal(a['img'], b['img']) for a, b in zip(first, second, strict=True))


def test_packed_samples_carry_the_truth():
    pipeline = [dict(type='PackInputs', meta_keys=('sample_idx', 'ink', 'box'))]
    dataset = DATASETS.build(dict(type='mmmix.ScatteredDigits', split='test', test_mode=True, pipeline=pipeline))
    packed = dataset[7]
    assert packed['inputs'].shape == (3, 32, 32)
    sample, info = packed['data_samples'], dataset.get_data_info(7)
    assert sample.gt_label.item() == info['gt_label'] and sample.sample_idx == 7
    assert np.array_equal(sample.ink, info['ink']) and tuple(sample.box) == tuple(info['box'])
    assert 'Clutter: \t3' in repr(dataset)


def test_sizes_may_be_others():
    scene = ScatteredDigits(size=40, digit=20, indices=3).get_data_info(0)
    top, bottom, left, right = scene['box']
    assert scene['img'].shape == (40, 40, 3) and 10 < max(bottom - top, right - left) <= 30


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(split='val'), r"^ScatteredDigits: `split` must be 'train' or 'test', but got 'val'\.$"),
        (
            dict(clutter=-1),
            r'^ScatteredDigits: `clutter` must be a whole number of at least 0, e\.g\. clutter=3, but got -1\.$',
        ),
        (dict(digit=3), r'^ScatteredDigits: `digit` must be a whole number of at least 4, .* but got 3\.$'),
        (dict(scenes=0), r'^ScatteredDigits: `scenes` must be a whole number of at least 1, .* but got 0\.$'),
        (dict(seed=1.5), r'^ScatteredDigits: `seed` must be a whole number of at least 0, .* but got 1\.5\.$'),
        (
            dict(digit=22),
            r'^ScatteredDigits: digits of up to 33 pixels have no room on a canvas of size=32: set `digit` to at most '
            r'21, or a larger `size`\.$',
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScatteredDigits(**arguments)


def test_the_largest_digit_that_is_named_has_room():
    for size in (30, 31, 32, 33):
        largest = (2 * size + 1) // 3
        ScatteredDigits(size=size, digit=largest, indices=1, lazy_init=True)
        with pytest.raises(ValueError, match='have no room'):
            ScatteredDigits(size=size, digit=largest + 1)


def test_missing_sklearn_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ModuleNotFoundError, match=r'mmmix.ScatteredDigits needs scikit-learn: run `pip install'):
        ScatteredDigits()


def test_docstring_example_runs():
    result = doctest.testmod(scattered_digits)
    assert result.attempted > 0
    assert result.failed == 0
