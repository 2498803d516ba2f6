"""What partners remember, row by row."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_partners import MEAN, STD, StubTable, batch, level, partners_of, partners_of_level, pool_with
from torch import nn

from mmmix import CutMix, HardMix, HardSampleTable, History, SaliencyCycle, SpectralResidual
from mmmix.core.host import Host
from mmmix.openmmlab import OpenMMLab
from mmmix.partners import hardpool


def test_a_sample_that_was_put_out_is_new_when_it_comes_again() -> None:
    """Its old slot belongs to somebody else by then."""
    table = StubTable(1, 2, 3)
    pool = pool_with(table, size=2)
    for sample in (1, 2, 3, 1):
        pool.observe(*batch([sample]), [sample])
    assert sorted(pool.sample_idx.tolist()) == [1, 3], '2 was there longest when 1 came again'
    assert pool.images is not None
    assert sorted(level(pool._decode(pool.images, torch.float32))) == [1, 3]
    pool.observe(*batch([1], version=1), [1])
    assert sorted(level(pool._decode(pool.images, torch.float32))) == [3, 101], 'renewed in its own slot'


def test_a_pool_that_was_loaded_renews_what_it_holds() -> None:
    """Every sample, that with index 0 too, has one slot."""
    saved = pool_with(StubTable(0, 1), size=4)
    saved.observe(*batch([0, 1]), [0, 1])
    pool = pool_with(StubTable(0, 1), size=4)
    pool.load_state_dict(saved.state_dict())
    pool.observe(*batch([0, 1], version=1), [0, 1])
    assert sorted(pool.sample_idx.tolist()) == [-1, -1, 0, 1]
    assert set(partners_of_level(pool)) == {100, 101}


def test_a_pool_of_another_size_begins_empty_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(hardpool, 'host', lambda: SimpleNamespace(log=lines.append))
    saved = pool_with(StubTable(0, 1), size=4)
    saved.observe(*batch([0, 1]), [0, 1])
    pool = pool_with(StubTable(0, 1), size=8)
    lines.clear()
    pool.load_state_dict(saved.state_dict())
    assert len(lines) == 1 and 'a pool of 4 images was saved' in lines[0]
    assert pool.fill == 0 and vars(pool)['images'] is None
    pool.observe(*batch([0]), [0])
    assert pool.fill == 1 and pool.images is not None and len(pool.images) == 8


@pytest.mark.parametrize(('value', 'dtype'), [(300.5, 'float16'), (7e7, 'float32')])
def test_one_pixel_that_does_not_fit_is_enough(value: float, dtype: str) -> None:
    pool = pool_with(StubTable(0, 1, 2), size=4)
    pool.observe(*batch([0]), [0])
    images, scores = batch([1, 2])
    images[1, 0, 2, 3] = (value - MEAN) / STD
    pool.observe(images, scores, [1, 2])
    assert set(partners_of_level(pool)) == {0, 1, 2}
    assert pool.images is not None and pool.images.dtype == getattr(torch, dtype)
    torch.testing.assert_close(pool.images[1:3].float(), images, rtol=1e-3, atol=1e-2)


def test_a_pool_of_another_device_or_shape_is_not_drawn_from() -> None:
    pool = pool_with(StubTable(1, 2), size=4)
    images, scores = batch([1, 2])
    pool.observe(images, scores, [1, 2])
    assert pool._fits(images, scores)
    assert not pool._fits(images.to('meta'), scores.to('meta'))
    assert not pool._fits(images[:, :1], scores) and not pool._fits(images[..., :2], scores)
    assert not pool._fits(images, scores[:, :50])
    assert set(partners_of(pool, [5, 6, 7])) <= {1, 2}


def test_history_tells_the_prediction_of_each_partner() -> None:
    """Row by row, also where the batch is longer than the last one."""
    history = History()
    mixer = CutMix(partners=history)
    mixer.mix(torch.rand(3, 3, 8, 8), torch.eye(5)[:3])
    logits = torch.randn(3, 5)
    history.remember_predictions(logits)
    mix = mixer.mix(torch.rand(5, 3, 8, 8), torch.eye(5))
    told = history.predictions_of_partners(mix)
    assert told is not None and not told.requires_grad
    torch.testing.assert_close(told, logits.softmax(1)[[0, 1, 2, 0, 1]])
    assert history.predictions is None, 'nobody told yet what the network makes of this step'
    again = mixer.mix(torch.rand(5, 3, 8, 8), torch.eye(5))
    assert history.predictions_of_partners(again) is None


def test_history_has_no_predictions_of_partners_from_the_batch() -> None:
    history = History()
    mixer = CutMix(partners=history)
    mixer.mix(torch.rand(3, 3, 8, 8), torch.eye(3))
    history.remember_predictions(torch.randn(3, 3))
    other_shape = mixer.mix(torch.rand(3, 3, 6, 6), torch.eye(3))
    assert history.predictions_of_partners(other_shape) is None


def test_a_cycle_of_two_and_of_one() -> None:
    cycle = SaliencyCycle(guide=SpectralResidual())
    for n, expected in ((1, [0]), (2, [1, 0])):
        images, scores = torch.rand(n, 3, 16, 16), torch.eye(n)
        pool, labels, partner = cycle(images, scores)
        assert pool is images and labels is scores and partner.tolist() == expected


def test_nothing_is_said_to_be_drawn_where_nothing_was() -> None:
    """A batch that meets the pool, then one of another shape that does not."""
    pool = pool_with(StubTable(1, 2), size=4)
    pool.observe(*batch([1, 2]), [1, 2])
    partners_of(pool, [5, 6, 7])
    assert len(pool.drawn) == 3
    images, scores = torch.rand(3, 3, 6, 6), torch.eye(100)[:3]
    assert pool(images, scores)[0] is images and len(pool.drawn) == 0


def test_the_choice_of_the_pool_and_its_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(Host, 'log', lambda self, message: lines.append(message))
    monkeypatch.setattr(OpenMMLab, 'log', Host.log)
    pool = pool_with(StubTable(1, 2), size=4)
    for _ in range(3):
        pool.observe(*batch([1, 2]), [1, 2])
    assert len(lines) == 1 and '4 images of 3 x 4 x 5' in lines[0] and 'MB' in lines[0]


def test_a_model_without_a_table_is_told_at_the_first_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a loop of one's own nobody else would say so: all partners would be a permutation for ever. Once is enough."""
    lines: list[str] = []
    monkeypatch.setattr(Host, 'warn', lambda self, message: lines.append(message))
    monkeypatch.setattr(OpenMMLab, 'warn', Host.warn)
    mixer = HardMix(num_classes=2, prob=1.0)
    images, targets = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 0, 1])
    with pytest.raises(RuntimeError, match=r'call `bind\(model\)`'):
        mixer.mix(images, targets)
    model: Any = nn.Linear(2, 2)
    mixer.bind(model)
    assert mixer.mix(images, targets).mixed
    assert mixer.mix(images, targets).mixed
    (line,) = lines
    assert '`model.hard_table = HardSampleTable(len(dataset))`' in line and 'permutation' in line
    model.hard_table = HardSampleTable(4)
    assert mixer.mix(images, targets).mixed
