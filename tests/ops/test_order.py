"""Order statistics and rows in blocks: the host's way, row by row, against all rows at once, and against a sort."""

import pytest
import torch
from torch import Tensor

from mmmix.ops import blocks, order
from mmmix.ops.blocks import in_blocks
from mmmix.ops.boxes import box_sums
from mmmix.ops.masks import low_frequency_field, top_share
from mmmix.ops.order import kth_smallest, order_statistic


@pytest.fixture(params=['each row', 'all rows'])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, whatever the size."""
    monkeypatch.setattr(order, '_LONG', 1 if request.param == 'each row' else 10**9)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_kth_smallest_is_that_of_a_sort(way: None, dtype: torch.dtype) -> None:
    values = torch.rand(60, 31, dtype=dtype)
    values[30:] = (values[30:] * 4).round()  # many ties
    k = torch.randint(1, 32, (60, 1)).double()
    k[:2] = torch.tensor([[1.0], [31.0]])
    expected = values.sort(1).values.gather(1, k.long() - 1)
    assert torch.equal(kth_smallest(values, k), expected)


def test_chosen_values_alone_are_ranked(way: None) -> None:
    values, chosen = torch.rand(40, 30), torch.rand(40, 30) < torch.rand(40, 1)
    chosen[:, 3] = True
    for tau, below in ((0.0, True), (0.37, True), (0.37, False), (1.0, False)):
        found = order_statistic(values, chosen, tau, below)
        for row in range(40):
            ranked = values[row][chosen[row]].sort().values
            at = tau * (len(ranked) - 1)
            assert found[row] == ranked[int(at) if below else -int(-at // 1)]


def test_largest_values_are_counted_in_both_ways(way: None) -> None:
    values, share = torch.rand(100, 40), torch.rand(100)
    values[50:] = (values[50:] * 3).round()
    share[:2] = torch.tensor([0.0, 1.0])
    mask = top_share(values, share)
    exact = share.double() * 40
    assert bool(((mask.sum(1) == exact.floor()) | (mask.sum(1) == exact.ceil())).all())
    for row, kept in zip(values, mask, strict=True):
        if kept.any() and not kept.all():
            assert row[kept].min() >= row[~kept].max()


@pytest.mark.parametrize('values', [1, 200, 10**9])
def test_blocks_change_nothing(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one row, of a few, of all."""
    maps, heights, widths = torch.rand(7, 1, 9, 8), torch.randint(1, 9, (7,)), torch.randint(1, 8, (7,))

    def drawn() -> list[Tensor]:
        torch.manual_seed(0)
        field = low_frequency_field(7, 9, 8, 3.0, torch.device('cpu'))
        return [field, top_share(field.flatten(1), torch.rand(7)), *box_sums(maps, heights, widths)]

    expected = drawn()
    monkeypatch.setattr(blocks, '_VALUES', values)
    for found, wanted in zip(drawn(), expected, strict=True):
        assert torch.equal(found, wanted)


def test_a_block_has_few_rows_on_the_host_and_all_rows_elsewhere() -> None:
    sizes: list[int] = []

    def seen(rows: Tensor) -> Tensor:
        sizes.append(len(rows))
        return rows

    assert len(in_blocks(seen, torch.zeros(10, 1 << 17))) == 10
    assert sizes == [2] * 5
    assert len(in_blocks(seen, torch.zeros(10, 1 << 17, device='meta'))) == 10
    assert sizes[5:] == [10]
    assert len(in_blocks(seen, torch.zeros(0, 3))) == 0
