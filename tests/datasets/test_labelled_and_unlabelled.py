"""Labelled and unlabelled batches: who is in them, on one rank and on several, now and after a resume."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import mmmix.datasets.semi_supervised as module
from mmmix import Digits, LabelledAndUnlabelled, SemiSupervised

FLIP = [dict(type='RandomFlip', prob=0.5, direction='horizontal')]


def data(labels: int = 23, **options: Any) -> SemiSupervised:
    views = [
        dict(type='mmmix.WeakStrong', weak=FLIP, strong=[*FLIP, dict(type='Invert', prob=1.0)]),
        dict(type='PackInputs', algorithm_keys=('strong_view',)),
    ]
    pipeline = [dict(type='PackInputs')]
    return SemiSupervised(dict(type='mmmix.Digits'), labels, pipeline=pipeline, unlabelled_pipeline=views, **options)


def test_labels_of_each_class_and_none_elsewhere() -> None:
    found = data()
    labels = [int(found[i]['data_samples'].gt_label) for i in range(23)]
    assert Counter(labels) == {label: 3 if label < 3 else 2 for label in range(10)}
    assert found.sizes == (23, 1352) and len(found) == 1375
    for i in (23, 500, 1374):
        sample = found[i]['data_samples']
        assert int(sample.gt_label) == -1 and sample.unlabelled
    assert not found[0]['data_samples'].get('unlabelled', False)
    digits = Digits()
    assert {int(found[i]['data_samples'].gt_label) for i in range(23)} == set(range(10))
    assert found.metainfo['classes'] == digits.metainfo['classes']
    again, other = data(), data(seed=1)
    assert torch.equal(found[0]['inputs'], again[0]['inputs'])
    assert any(not torch.equal(found[i]['inputs'], other[i]['inputs']) for i in range(23))


def test_views_begin_with_one_image() -> None:
    """An inverted image is 255 minus the image, flipped or not."""
    found = data()
    for i in range(23, 40):
        sample = found[i]
        plain = 255 - sample['data_samples'].strong_view.int()
        weak = sample['inputs'].int()
        assert torch.equal(plain, weak) or torch.equal(plain, weak.flip(2))


def sampler(monkeypatch: Any = None, rank: int = 0, world: int = 1, **options: Any) -> LabelledAndUnlabelled:
    if monkeypatch is not None:
        monkeypatch.setattr(module, 'get_dist_info', lambda: (rank, world))
    options = dict(labelled=2, unlabelled=6, iterations=10, seed=5) | options
    return LabelledAndUnlabelled(SimpleNamespace(sizes=(7, 30)), **options)


def test_batches_and_permutations() -> None:
    drawn = list(sampler(iterations=35))
    assert len(drawn) == len(sampler(iterations=35)) == 280
    batches = [drawn[i : i + 8] for i in range(0, 280, 8)]
    assert all(all(i < 7 for i in batch[:2]) and all(7 <= i < 37 for i in batch[2:]) for batch in batches)
    labelled = [i for batch in batches for i in batch[:2]]
    unlabelled = [i for batch in batches for i in batch[2:]]
    # Neither runs dry, and each comes once before any comes again.
    assert all(set(labelled[i : i + 7]) == set(range(7)) for i in range(0, 70, 7))
    assert all(set(unlabelled[i : i + 30]) == set(range(7, 37)) for i in range(0, 210, 30))
    assert labelled[:7] != labelled[7:14]


def test_a_resumed_epoch_is_the_same_and_another_is_not() -> None:
    first, resumed = sampler(), sampler()
    first.set_epoch(0)
    list(first)
    first.set_epoch(1)
    resumed.set_epoch(1)
    assert list(first) == list(resumed) != list(sampler())


def test_ranks_share_the_global_batches(monkeypatch: Any) -> None:
    ranks = [list(sampler(monkeypatch, rank, 3, iterations=5)) for rank in range(3)]
    unlabelled = [i for rank in ranks for start in range(0, 40, 8) for i in rank[start + 2 : start + 8]]
    # 90 draws of 30 images by three ranks: each three times.
    assert set(Counter(unlabelled).values()) == {3}
    first = [i for rank in ranks for i in rank[2:8]]
    assert len(set(first)) == 18


def test_bad_arguments_are_told() -> None:
    for labels, words in ((5, '0 of class 5'), (5000, 'which has')):
        with pytest.raises(ValueError, match=words):
            data(labels)
    with pytest.raises(TypeError, match='takes the config of a data set'):
        SemiSupervised(Digits(), 10, [], [])
    with pytest.raises(TypeError, match=r'draws from mmmix\.SemiSupervised'):
        LabelledAndUnlabelled([1, 2])
    with pytest.raises(ValueError, match='`labelled` must be a whole number'):
        sampler(labelled=0)
