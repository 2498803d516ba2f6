"""How a training loader goes through its set, counted by going through it."""

from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from mmmix.engine.sampling import batch_size_of, iterations_per_pass, not_padding


class Pairs:
    """A batch sampler of its own kind: neighbours together, the last one alone."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Any:
        return iter([*range(i, min(i + 2, self.length))] for i in range(0, self.length, 2))

    def __len__(self) -> int:
        return (self.length + 1) // 2


@pytest.mark.parametrize('ranks', [1, 3])
@pytest.mark.parametrize('length', [1, 7, 8, 9])
@pytest.mark.parametrize('batch_size', [1, 2, 4, 30])
def test_a_pass_ends_when_all_ranks_together_have_drawn_every_sample(length: int, batch_size: int, ranks: int) -> None:
    dataset: Any = range(length)
    plain: Any = DataLoader(dataset, batch_size)
    named: Any = DataLoader(dataset, batch_sampler=BatchSampler(SequentialSampler(dataset), batch_size, False))
    drawn = iterations = 0
    while drawn < length:
        drawn += ranks * batch_size
        iterations += 1
    for loader in (plain, named):
        assert batch_size_of(loader) == batch_size
        assert iterations_per_pass(loader, ranks) == iterations


@pytest.mark.parametrize(('length', 'expected'), [(7, 4), (2, 1), (0, 1)])
def test_a_batch_sampler_of_its_own_kind_says_how_long_a_pass_is(length: int, expected: int) -> None:
    loader: Any = DataLoader(range(length), batch_sampler=Pairs(length))  # type: ignore[arg-type]
    assert batch_size_of(loader) is None
    assert iterations_per_pass(loader, 3) == expected
    assert torch.equal(not_padding(loader, 0, 2, 1, 3), torch.tensor([True, True]))
