"""Corrupted labels: how many, which, under which wrappers, and with the truth beside them."""

from typing import Any

import pytest
import torch
from hard_runs import PACK, greys
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.registry import DATASETS

from mmmix import CorruptedLabels
from mmmix.datasets.corrupted_labels import corrupted_labels


def build(fraction: float = 0.5, count: int = 200, **args: Any) -> CorruptedLabels:
    return CorruptedLabels(greys(count), fraction, **args)


def test_the_truth_stays_beside_the_corrupted_label() -> None:
    plain, spoilt = DATASETS.build(greys(200)), build()
    truth = torch.tensor([plain.get_data_info(i)['gt_label'] for i in range(200)])
    assert torch.equal(spoilt.true_labels, truth)
    labels = torch.tensor([spoilt.get_data_info(i)['gt_label'] for i in range(200)])
    assert torch.equal(spoilt.corrupted, labels != truth) and spoilt.corrupted.any()
    assert labels.tolist() == list(spoilt.get_gt_labels()) == [spoilt.get_cat_ids(i)[0] for i in range(200)]
    for i in range(0, 200, 17):
        sample = spoilt[i]['data_samples']
        assert sample.true_label == truth[i] and int(sample.gt_label) == labels[i] and sample.sample_idx == i
        assert torch.equal(spoilt[i]['inputs'], plain[i]['inputs'])


@pytest.mark.parametrize('fraction', [0.0, 0.1, 0.8, 1.0])
def test_exactly_the_fraction_is_flipped(fraction: float) -> None:
    assert int(build(fraction, flip=True).corrupted.sum()) == round(fraction * 200)


def test_random_noise_keeps_one_in_ten_and_is_uniform() -> None:
    """As in the Mixup paper: the new label is uniform over all classes."""
    truth = torch.full((50000,), 3)
    labels = corrupted_labels(truth, 10, 1.0, 0, False)
    counts = torch.bincount(labels, minlength=10)
    assert (counts - 5000).abs().max() < 6 * (50000 * 0.09) ** 0.5
    flipped = torch.bincount(corrupted_labels(truth, 10, 1.0, 0, True), minlength=10)
    assert flipped[3] == 0 and (flipped.sum() - 50000) == 0
    others = flipped[torch.arange(10) != 3]
    assert (others - 50000 / 9).abs().max() < 6 * (50000 / 9) ** 0.5


def test_the_seed_decides_and_the_seed_of_the_run_does_not() -> None:
    torch.manual_seed(1)
    one = build().get_gt_labels()
    state = torch.get_rng_state()
    two, three = build().get_gt_labels(), build(seed=1).get_gt_labels()
    assert torch.equal(torch.get_rng_state(), state)
    assert list(one) == list(two) != list(three)


def test_under_every_wrapper() -> None:
    spoilt = build(count=40)
    labels = list(spoilt.get_gt_labels())
    assert [int(RepeatDataset(spoilt, 2)[i]['data_samples'].gt_label) for i in (0, 39, 40)] == [
        labels[0],
        labels[39],
        labels[0],
    ]
    both = ConcatDataset([spoilt, build(count=10)])
    assert len(both) == 50 and both.metainfo['classes'] == spoilt.metainfo['classes']
    config = dict(type='mmmix.CorruptedLabels', dataset=greys(40), fraction=0.5)
    balanced = DATASETS.build(dict(type='ClassBalancedDataset', dataset=config, oversample_thr=0.3))
    assert [int(balanced[i]['data_samples'].gt_label) for i in range(len(balanced))] == [
        labels[i] for i in balanced.repeat_indices
    ]
    fold = DATASETS.build(dict(type='mmpretrain.KFoldDataset', dataset=config, fold=0, num_splits=4))
    assert list(fold.get_gt_labels()) == labels[10:] and fold.get_data_info(0)['true_label'] is not None


def test_a_pipeline_that_is_exchanged_later_is_used_and_the_given_data_set_stays() -> None:
    plain = DATASETS.build(greys(10))
    spoilt = CorruptedLabels(plain, 1.0, flip=True)
    assert [plain.get_data_info(i).get('true_label') for i in range(10)] == [None] * 10
    spoilt.pipeline = lambda results: results
    assert set(spoilt[0]) >= {'img', 'gt_label', 'true_label'}


def test_lazily() -> None:
    spoilt = CorruptedLabels(greys(10, lazy_init=True), 0.5, lazy_init=True)
    assert not spoilt._fully_initialized
    spoilt.full_init()
    assert len(spoilt) == 10 and '50.0%' in repr(spoilt)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match='fraction'):
        build(1.5)
    with pytest.raises(TypeError, match='innermost'):
        CorruptedLabels(dict(type='RepeatDataset', dataset=greys(5), times=2), 0.1)
    with pytest.raises(ValueError, match='only one class'):
        corrupted_labels(torch.zeros(4, dtype=torch.long), 1, 0.5, 0, True)

    @DATASETS.register_module(force=True)
    class Several(type(DATASETS.build(greys(1)))):  # type: ignore[misc]
        def load_data_list(self) -> list[dict]:
            return [dict(info, gt_label=[1, 2]) for info in super().load_data_list()]

    with pytest.raises(TypeError, match='class indices'):
        CorruptedLabels(dict(type='mmpretrain.Several', count=3, pipeline=PACK), 0.1)
