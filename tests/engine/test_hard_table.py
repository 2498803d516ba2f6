"""The table of hard samples, against a slow reference."""

import random
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmmix.engine import HardSampleHook
from mmmix.partners import HardSampleTable
from mmmix.partners.hard_sample_table import _rounds


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
    table = HardSampleTable(25, momentum=0.99999, fraction=fraction, min_hardness=0.0)
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


@pytest.mark.parametrize(
    'args', [dict(momentum=1.0), dict(momentum=-0.1), dict(fraction=0), dict(fraction='x'), dict(min_hardness=1.0)]
)
def test_arguments_out_of_range(args: dict) -> None:
    for build in (lambda **given: HardSampleTable(5, **given), HardSampleHook):
        with pytest.raises(ValueError, match=f'`{next(iter(args))}` must .* but got'):
            build(**args)


class Counted(TorchDispatchMode):
    """Count the operations that PyTorch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_one_sample_many_times_is_split_in_as_few_steps_as_many_samples_once() -> None:
    """A look at all rows for each repetition takes many seconds for some ten thousand of them."""
    counts = []
    for repeated in (10, 2000):
        with Counted() as counted:
            rounds = _rounds(torch.zeros(repeated, dtype=torch.long))
        counts.append(counted.count)
        assert torch.equal(torch.cat(rounds), torch.arange(repeated)) and {len(rows) for rows in rounds} == {1}
    assert counts[0] == counts[1] < 30


def test_hard_samples_stay_frequently_misclassified_when_nearly_all_are_fitted() -> None:
    """200 epochs, half of the samples seen in each; the error falls from 60 % to .6 % as the learning rate does."""
    draw = torch.Generator().manual_seed(0)
    difficulty = 3 * torch.randn(4000, generator=draw)
    table, before = HardSampleTable(4000), HardSampleTable(4000, min_hardness=0.0)
    last_ten = torch.zeros(4000, 10)
    chance = torch.zeros(4000)
    for epoch in range(200):
        # Offsets for mean errors of 60 % falling to 20 %, and of 8, 2 and .6 %.
        ease = 0.8 - 3.6 * epoch / 60 if epoch < 60 else -4.9 if epoch < 120 else -7.6 if epoch < 160 else -9.8
        chance = (difficulty + ease).sigmoid()
        seen = (torch.rand(4000, generator=draw) < 0.5).nonzero().squeeze(1)
        missed = torch.rand(len(seen), generator=draw) < chance[seen]
        for each in (table, before):
            each.update(seen, missed)
        last_ten[seen] = torch.cat([last_ten[seen, 1:], missed[:, None].float()], 1)
    assert 0.003 < float(chance.mean()) < 0.01
    old = before.hard_mask()
    assert before.bound < 0.01 and float((before.hardness()[old] < 0.05).float().mean()) > 0.7
    hard = table.hard_mask()
    assert int(hard.sum()) >= 20, 'some are left'
    assert float(table.hardness()[hard].min()) > 0.2
    twice = last_ten.sum(1) >= 2
    assert float(twice[hard].float().mean()) > 0.8 > 0.2 > float(twice[old].float().mean())
