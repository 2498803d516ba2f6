"""Partners: the permutation, and the pool of hard samples with a stub in place of the table."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from mmmix import CutMix, HardMix, HardPool, Permutation
from mmmix.partners import HardSampleTable, hardpool

MEAN, STD = 100.0, 50.0


class StubTable:
    """Says that the listed samples are hard."""

    active = True

    def __init__(self, *hard: int) -> None:
        self.hard = set(hard)

    def is_hard(self, sample_idx: Any) -> Tensor:
        return torch.tensor([int(i) in self.hard for i in sample_idx], dtype=torch.bool)


def pool_with(table: Any, **args: Any) -> HardPool:
    """A pool that is bound to a model with this table."""
    pool = HardPool(**{'min_size': 1, 'prob': 1.0, **args})
    normalization = SimpleNamespace(mean=torch.full((3, 1, 1), MEAN), std=torch.full((3, 1, 1), STD))
    pool.bind(SimpleNamespace(hard_table=table, data_preprocessor=normalization))
    return pool


def batch(sample_idx: list[int], version: int = 0) -> tuple[Tensor, Tensor]:
    """Sample ``i`` is grey level ``i + 100 * version``, normalised, with label ``i`` of 100."""
    levels = torch.tensor(sample_idx, dtype=torch.float) + 100 * version
    return ((levels - MEAN) / STD)[:, None, None, None].expand(-1, 3, 4, 5).contiguous(), torch.eye(100)[sample_idx]


def level(images: Tensor) -> list[int]:
    return [round(float(value)) for value in images[:, 0, 0, 0] * STD + MEAN]


def partners_of(pool: HardPool, sample_idx: list[int]) -> list[int]:
    images, scores = batch(sample_idx)
    rows, labels, partner = pool(images, scores)
    assert torch.equal(rows[: len(images)], images) and torch.equal(labels[: len(images)], scores)
    assert level(rows) == labels.argmax(1).tolist(), 'an image and its label stay together'
    assert pool.drawn.tolist() == labels[len(images) :].argmax(1).tolist()
    return labels[partner].argmax(1).tolist()


def test_permutation() -> None:
    images, scores = batch(list(range(9)))
    pool, labels, partner = Permutation()(images, scores)
    assert pool is images and labels is scores and sorted(partner.tolist()) == list(range(9))


def test_every_partner_is_hard_and_each_hard_sample_alike() -> None:
    pool = pool_with(StubTable(3, 7, 11), size=8)
    for start in (0, 5, 10):
        pool.observe(*batch(list(range(start, start + 5))), list(range(start, start + 5)))
    assert pool.fill == 3
    drawn = torch.tensor([partner for _ in range(400) for partner in partners_of(pool, [20, 21, 22])])
    counts = torch.bincount(drawn, minlength=12)
    assert counts[[3, 7, 11]].sum() == 1200
    # 400 each, with a standard deviation of 16.
    assert (counts[[3, 7, 11]] - 400).abs().max() < 80


def test_prob_is_the_share_of_hard_partners_and_the_rest_is_a_permutation_of_the_batch() -> None:
    pool = pool_with(StubTable(3), prob=0.3)
    pool.observe(*batch([3]), [3])
    drawn = [partners_of(pool, [20, 21, 22, 23, 24]) for _ in range(1000)]
    hard = sum(partner == 3 for partners in drawn for partner in partners)
    assert 1300 < hard < 1700
    for partners in drawn:
        others = [partner for partner in partners if partner != 3]
        assert len(set(others)) == len(others) and set(others) <= {20, 21, 22, 23, 24}


def test_a_sample_that_is_no_longer_hard_is_not_drawn_and_leaves_first() -> None:
    table = StubTable(1, 2, 3)
    pool = pool_with(table, size=3)
    pool.observe(*batch([1, 2, 3]), [1, 2, 3])
    table.hard = {1, 3, 4}
    assert pool.fill == 2
    assert {partner for _ in range(50) for partner in partners_of(pool, [50, 51])} == {1, 3}
    pool.observe(*batch([4]), [4])
    assert sorted(pool.sample_idx.tolist()) == [1, 3, 4]


def test_the_sample_renewed_longest_ago_makes_room_and_a_renewed_one_has_its_latest_image() -> None:
    pool = pool_with(StubTable(*range(20)), size=3)
    for i in (1, 2, 3):
        pool.observe(*batch([i]), [i])
    pool.observe(*batch([1], version=1), [1])
    pool.observe(*batch([4]), [4])
    assert sorted(pool.sample_idx.tolist()) == [1, 3, 4]
    images, scores = batch([60] * 40)
    rows, labels, _ = pool(images, scores)
    assert {(label, grey) for label, grey in zip(labels.argmax(1).tolist(), level(rows), strict=True)} == {
        (60, 60),
        (1, 101),
        (3, 3),
        (4, 4),
    }


def test_a_batch_larger_than_the_pool_and_a_sample_twice_in_it() -> None:
    pool = pool_with(StubTable(*range(20)), size=4)
    pool.observe(*batch(list(range(10))), list(range(10)))
    assert sorted(pool.sample_idx.tolist()) == [6, 7, 8, 9]
    images, scores = torch.cat([batch([11])[0], batch([11], version=1)[0]]), torch.eye(100)[[11, 11]]
    pool.observe(images, scores, [11, 11])
    assert pool.sample_idx.tolist().count(11) == 1
    assert set(partners_of_level(pool)) == {*pool.sample_idx.tolist()} - {11} | {111}


def partners_of_level(pool: HardPool) -> list[int]:
    images, scores = batch([60] * 60)
    rows, _, partner = pool(images, scores)
    return level(rows[partner])


@pytest.mark.parametrize('reason', ['no hook yet', 'warm-up', 'too few', 'another size', 'empty'])
def test_a_permutation_until_the_pool_is_ready(reason: str) -> None:
    table = StubTable(1, 2)
    pool = pool_with(table, min_size=3 if reason == 'too few' else 2)
    if reason != 'empty':
        pool.observe(*batch([1, 2]), [1, 2])
    if reason == 'no hook yet':
        pool.model.hard_table = None
    table.active = reason != 'warm-up'
    images, scores = batch([5, 6, 7])
    if reason == 'another size':
        images = images[:, :, :2]
    rows, _, partner = pool(images, scores)
    assert rows is images and sorted(partner.tolist()) == [0, 1, 2]


def test_unknown_samples_never_enter() -> None:
    table = HardSampleTable(5)
    table.update([4], [True])
    table.refresh()
    pool = pool_with(table)
    pool.observe(*batch([4, 3]), [-1, -1])
    assert pool.fill == 0 and pool.images is None


# ------------------------------------------------------------------------------------------------------------- memory


def test_grey_levels_come_back_bit_for_bit() -> None:
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    levels = torch.arange(256).repeat(3, 1).T.reshape(1, 16, 16, 3).permute(0, 3, 1, 2).float()
    images = (levels - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    pool = pool_with(StubTable(0), size=2)
    pool.model.data_preprocessor = SimpleNamespace(mean=mean.view(-1, 1, 1), std=std.view(-1, 1, 1))
    pool.observe(images, torch.eye(4)[:1], [0])
    assert pool.images is not None and pool.images.dtype == torch.uint8
    assert torch.equal(pool(images, torch.eye(4)[:1])[0][1:], images)
    assert pool.memory_bytes == 2 * 3 * 16 * 16 + 2 * 4 * 4


def test_images_that_are_no_grey_levels_are_kept_in_half_precision() -> None:
    images = torch.randn(2, 3, 4, 4)
    pool = pool_with(StubTable(0, 1), size=4)
    pool.observe(images, torch.eye(2), [0, 1])
    assert pool.images is not None and pool.images.dtype == torch.float16
    rows, labels, _ = pool(images, torch.eye(2))
    torch.testing.assert_close(rows[2:], images[labels[2:].argmax(1)], rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="dtype='float16'"):
        pool_with(StubTable(0), dtype='uint8').observe(images, torch.eye(2), [0, 1])


def greys(*levels: float) -> Tensor:
    return ((torch.tensor(levels) - MEAN) / STD)[:, None, None, None].expand(-1, 3, 4, 5).contiguous()


def held(pool: HardPool) -> Tensor:
    """What the pool gives out of each slot that is filled, in the order of slots, as grey levels."""
    assert pool.images is not None
    torch.manual_seed(0)
    images, labels, _ = pool(greys(*[60.0] * 200), torch.eye(100)[[60] * 200])
    found = dict(zip(labels[200:].argmax(1).tolist(), images[200:, 0, 0, 0], strict=True))
    return torch.stack([found[i] for i in sorted(found)]) * STD + MEAN


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize(
    ('levels', 'dtype'),
    [((3.0, 7.0, 300.5), 'float16'), ((3.0, 7.0, 7e7), 'float32'), ((3.5, 7.5, 7e7), 'float32')],
)
def test_the_pool_follows_the_range_of_later_images(levels: tuple[float, ...], dtype: str, autocast: bool) -> None:
    """What the first hard samples let expect does not hold: nothing is clipped, nothing becomes infinite."""
    pool = pool_with(StubTable(0, 1, 2), size=70)
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        for i, value in enumerate(levels):
            pool.observe(greys(value), torch.eye(100)[[i]], [i])
    torch.testing.assert_close(held(pool), torch.tensor(levels), rtol=1e-3, atol=1e-1)
    assert pool.images is not None and pool.images.dtype == getattr(torch, dtype) and len(pool.images) == 70
    pool.observe(greys(levels[0]), torch.eye(100)[[0]], [0])
    assert pool.images.dtype == getattr(torch, dtype), 'for good'


@pytest.mark.parametrize(('dtype', 'value', 'better'), [('uint8', 300.5, 'float16'), ('float16', 7e7, 'float32')])
def test_later_images_that_do_not_fit_the_asked_dtype_are_refused(dtype: str, value: float, better: str) -> None:
    first = pool_with(StubTable(0, 1), dtype=dtype)
    with pytest.raises(ValueError, match=f"use dtype='{better}'"):
        first.observe(greys(value), torch.eye(100)[[1]], [1])
    later = pool_with(StubTable(0, 1), dtype=dtype)
    for i, level in enumerate((3.0, value)):
        later.observe(greys(level), torch.eye(100)[[i]], [i])
    with pytest.raises(ValueError, match=f"use dtype='{better}'"):
        later(greys(60.0), torch.eye(100)[[60]])


def test_a_change_of_the_range_is_logged_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(hardpool, 'host', lambda: SimpleNamespace(log=lines.append))
    pool = pool_with(StubTable(0, 1), size=4)
    for i, level in ((0, 3.0), (1, 300.5), (0, 3.0), (1, 8.5)):
        pool.observe(greys(level), torch.eye(100)[[i]], [i])
    pool(greys(60.0), torch.eye(100)[[60]])
    assert lines == [
        'HardPool: 4 images of 3 x 4 x 5 as uint8 on cpu: 0.00 MB',
        'HardPool: for images unlike the first ones, 4 images of 3 x 4 x 5 as float16 on cpu: 0.00 MB',
    ]


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float32'])
def test_the_asked_dtype_is_kept(dtype: str) -> None:
    pool = pool_with(StubTable(1), dtype=dtype)
    pool.observe(*batch([1]), [1])
    assert pool.images is not None and pool.images.dtype == getattr(torch, dtype)


def test_memory_is_logged_once(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture) -> None:
    pool = pool_with(StubTable(1, 2), size=512)
    for _ in range(3):
        pool.observe(*batch([1, 2]), [1, 2])
    text = caplog.text + ''.join(capsys.readouterr())
    assert text.count('HardPool: 512 images of 3 x 4 x 5 as uint8 on cpu: 0.24 MB') <= 1
    assert pool.memory_bytes == 512 * (60 + 400)


def test_what_is_kept_is_a_copy_and_layouts_are_kept() -> None:
    pool = pool_with(StubTable(1), dtype='float32')
    images, scores = batch([1])
    pool.observe(images, scores, [1])
    images.zero_()
    assert partners_of(pool, [5]) == [1]
    images, scores = batch([5, 6])
    rows, _, _ = pool(images.contiguous(memory_format=torch.channels_last), scores)
    assert rows.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_a_gpu_never_waits_for_the_host() -> None:
    pool = pool_with(StubTable(*range(20)))
    images, scores = (part.cuda() for part in batch(list(range(8))))
    pool.model.data_preprocessor = SimpleNamespace(
        mean=torch.full((3, 1, 1), MEAN).cuda(), std=torch.full((3, 1, 1), STD).cuda()
    )
    pool.observe(images, scores, list(range(8)))  # the first time it looks at the images
    torch.cuda.set_sync_debug_mode('error')
    try:
        for _ in range(3):
            pool.observe(images, scores, list(range(8)))
            rows, _, partner = pool(images, scores)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert len(rows) == 16 and sorted(partner.tolist()) == list(range(8, 16))


# ------------------------------------------------------------------------------------------------------ in the mixers


def test_the_mixed_image_holds_a_patch_of_a_hard_sample() -> None:
    pool = pool_with(StubTable(90))
    pool.observe(*batch([90]), [90])
    mixer = CutMix(partners=pool)
    images, scores = batch([5, 6, 7, 8])
    mix = mixer.mix(images, scores)
    levels = (mix.images[:, 0] * STD + MEAN).round()
    patch = (mix.mask[:, 0] == 0).expand_as(levels)
    assert patch.any() and (levels[patch] == 90).all()
    torch.testing.assert_close(mix.scores[:, 90], 1 - mix.lam)


def test_one_image_alone_has_partners_in_the_pool() -> None:
    pool = pool_with(StubTable(90))
    pool.observe(*batch([90]), [90])
    torch.manual_seed(1)
    mix = CutMix(partners=pool).mix(*batch([5]))
    assert mix.mixed and mix.scores[0, 90] == 1 - mix.lam


def test_hardmix_with_a_guide_pastes_the_most_important_pixel_of_the_hard_sample() -> None:
    from mmmix.core import Guide

    class Brightest(Guide):
        def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
            return images.mean(1, keepdim=True).float().clamp(min=0)

    pool = pool_with(StubTable(90), dtype='float32')
    hard = torch.zeros(1, 3, 12, 16)
    hard[0, :, 2, 13] = 5
    pool.observe(hard, torch.eye(100)[[90]], [90])
    for mode in ('batch', 'elem'):
        mixer = HardMix(prob=1.0, lam_mode=mode, guide=Brightest(), partners=pool)
        for _ in range(20):
            mix = mixer.mix(torch.zeros(4, 3, 12, 16), torch.eye(100)[:4])
            cut = (mix.lam < 1).nonzero().squeeze(1)
            assert (mix.images[cut, 0, 2, 13] == 5).all() and (mix.mask[cut, 0, 2, 13] == 0).all()
            torch.testing.assert_close(mix.lam, mix.mask.mean((1, 2, 3)))
    with pytest.raises(ValueError, match='`guide` and `keep`'):
        HardMix(guide=Brightest(), keep=dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient')))


@pytest.mark.parametrize(
    'args',
    [dict(size=0), dict(min_size=0), dict(size=4, min_size=5), dict(prob=1.5), dict(prob=True), dict(dtype='int8')],
)
def test_arguments_out_of_range(args: dict) -> None:
    with pytest.raises(ValueError, match='HardPool'):
        HardPool(**args)


def test_without_a_model_or_a_hook() -> None:
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        HardPool()(*batch([1, 2]))
    with pytest.raises(RuntimeError, match=r'mmmix\.HardSampleHook'):
        pool_with(None).observe(*batch([1]), [1])
