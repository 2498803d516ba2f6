"""Bounds, rounding, and what ranks go on from after a resume."""

import pytest
import torch
from mmengine import dist

from mmmix.engine import HardSampleTable
from mmmix.engine.agreement import SharedTable


@pytest.mark.parametrize(('seen', 'hard'), [(1, 1), (2, 1), (7, 1), (8, 2), (12, 2), (13, 3), (20, 4)])
def test_the_hard_fraction_is_rounded_to_the_nearest_number(seen: int, hard: int) -> None:
    """A fifth of the seen samples, and one at least."""
    table = HardSampleTable(30, momentum=0.0, fraction=0.2)
    table.missed[:seen] = torch.arange(1, seen + 1).float()
    table.seen[:seen] = seen + 1.0
    assert int(table.hard_mask().sum()) == hard
    assert table.hard_mask()[seen - hard : seen].all(), 'the hardest ones'


def test_ranks_go_on_from_the_saved_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks, of which this one resumed and saw one miss, and the other another one."""
    shared = SharedTable(HardSampleTable(4, momentum=0.5))
    saved = dict(seen=torch.tensor([2.0, 1.0, 1.5, 0.0]), missed=torch.tensor([1.0, 1.0, 0.0, 0.0]))
    shared.load(saved)
    theirs = torch.tensor([[5, 3, 1]])

    def all_gather(mine: torch.Tensor) -> list[torch.Tensor]:
        return [mine, mine if mine.ndim == 1 else theirs]

    monkeypatch.setattr(dist, 'get_world_size', lambda: 2)
    monkeypatch.setattr(dist, 'all_gather', all_gather)
    shared.count(5, torch.tensor([0]), torch.tensor([True]))
    shared.agree()
    expected = HardSampleTable(4, momentum=0.5)
    expected.load_state_dict(saved)
    expected.update([0, 3], [True, True])
    assert torch.equal(shared.table.seen, expected.seen) and torch.equal(shared.table.missed, expected.missed)
