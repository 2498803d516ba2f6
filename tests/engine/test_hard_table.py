"""The table of hard samples, against a slow reference."""

import random

import pytest
import torch

from mmmix.engine import HardSampleTable


def slow_counts(length: int, momentum: float, observations: list[tuple[int, bool]]) -> tuple[list, list]:
    """One observation at a time, in double precision."""
    seen, missed = [0.0] * length, [0.0] * length
    for i, miss in observations:
        seen[i] = momentum * seen[i] + 1
        missed[i] = momentum * missed[i] + miss
    return seen, missed


@pytest.mark.parametrize('momentum', [0.0, 0.5, 0.9])
def test_counts_follow_the_reference_also_for_repeated_samples(momentum: float) -> None:
    draw = random.Random(0)
    observations = [(draw.randrange(7), draw.random() < 0.4) for _ in range(300)]
    table = HardSampleTable(9, momentum=momentum)
    for start in range(0, 300, 50):
        part = observations[start : start + 50]
        table.update([i for i, _ in part], [miss for _, miss in part])
    seen, missed = slow_counts(9, momentum, observations)
    torch.testing.assert_close(table.seen, torch.tensor(seen))
    torch.testing.assert_close(table.missed, torch.tensor(missed))
    expected = [m / s if s else 0.0 for m, s in zip(missed, seen, strict=True)]
    torch.testing.assert_close(table.hardness(), torch.tensor(expected))


def test_updates_in_parts_equal_one_update() -> None:
    idx, missed = torch.randint(20, (100,)), torch.rand(100) < 0.5
    whole, parts = HardSampleTable(20), HardSampleTable(20)
    whole.update(idx, missed)
    for i, miss in zip(idx.split(7), missed.split(7), strict=True):
        parts.update(i, miss)
    assert torch.equal(whole.seen, parts.seen) and torch.equal(whole.missed, parts.missed)


@pytest.mark.parametrize('fraction', [0.1, 0.3, 0.9, 1.0])
def test_the_top_fraction_of_the_seen_samples_is_hard(fraction: float) -> None:
    """Sample ``i`` was missed ``i`` times in 10; samples 10 and later were never seen."""
    table = HardSampleTable(25, momentum=0.99999, fraction=fraction)
    for turn in range(10):
        table.update(range(10), [turn < i for i in range(10)])
    hard = table.hard_mask().nonzero().squeeze(1).tolist()
    count = round(fraction * 10)
    # Sample 0 was never missed, so it is not hard whatever the fraction.
    assert hard == [i for i in range(10 - count, 10) if i > 0]


def test_min_hardness_and_ties_and_unseen() -> None:
    table = HardSampleTable(6, fraction=0.2, min_hardness=0.5)
    assert not table.hard_mask().any()
    table.update([0, 1, 2, 3], [True, True, True, False])
    assert table.hard_mask().tolist() == [True, True, True, False, False, False], 'ties are hard together'
    table.update([0, 0, 0, 0], [False] * 4)
    assert table.hard_mask().tolist() == [False, True, True, False, False, False]
    assert table.is_hard([-1, 1, 5]).tolist() == [False, True, False], 'unknown samples are never hard'


def test_state_survives_and_is_not_shared() -> None:
    table = HardSampleTable(5)
    table.update([1, 2], [True, False])
    state = table.state_dict()
    table.update([1], [False])
    assert state['seen'].tolist() == [0, 1, 1, 0, 0]
    other = HardSampleTable(5)
    other.load_state_dict(state)
    assert torch.equal(other.seen, state['seen']) and other.is_hard([1]).item()
    other.update([0], [True])
    assert state['seen'][0] == 0


def test_another_training_set_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match=r'5 rows .* 7 samples'):
        HardSampleTable(7).load_state_dict(HardSampleTable(5).state_dict())


@pytest.mark.parametrize('idx', [[5], [-1], [0, 99]])
def test_indices_of_another_set_are_refused(idx: list[int]) -> None:
    with pytest.raises(ValueError, match='indices must be those of the training set'):
        HardSampleTable(5).update(idx, [True] * len(idx))


@pytest.mark.parametrize('args', [dict(momentum=1.0), dict(momentum=-0.1), dict(fraction=0), dict(min_hardness=1.0)])
def test_arguments_out_of_range(args: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(args))):
        HardSampleTable(5, **args)
