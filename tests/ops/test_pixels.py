"""Pixels chosen and pasted, and boxes of numbers, against plain PyTorch."""

import pytest
import torch

from mmmix import CutMix, RandomErasing
from mmmix.core import Eraser
from mmmix.ops import pixels
from mmmix.ops.boxes import area_size, box_mask, centred, clipped, random_centre
from mmmix.ops.pixels import choose, paste, take_rows

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def images(seed: int, dtype: torch.dtype = torch.float32, channels_last: bool = False) -> torch.Tensor:
    drawn = torch.randn(5, 3, 6, 7, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return drawn.to(memory_format=torch.channels_last) if channels_last else drawn


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('overwrite', [False, True])
def test_choosing_is_where(dtype: torch.dtype, channels_last: bool, overwrite: bool) -> None:
    own, other = images(0, dtype, channels_last), images(1, dtype, channels_last)
    mask = torch.rand(5, 1, 6, 7) < 0.5
    expected, before = torch.where(mask, own, other), own.clone()
    chosen = choose(mask, own, other, other if overwrite else None)
    assert torch.equal(chosen, expected)
    assert torch.equal(own, before)
    assert (chosen is other) == overwrite
    assert chosen.stride() == own.stride()


def test_what_is_not_chosen_does_not_leak() -> None:
    own, other = images(0), images(1)
    mask = torch.rand(5, 1, 6, 7) < 0.5
    own[(~mask).expand_as(own)] = float('nan')
    other[mask.expand_as(other)] = float('-inf')
    assert torch.isfinite(choose(mask, own, other)).all()
    given = other.clone()
    assert torch.isfinite(choose(mask, own, given, given)).all()


def test_a_fill_is_spread_and_graphs_are_kept() -> None:
    own, mask = images(0), torch.rand(5, 1, 6, 7) < 0.5
    assert torch.equal(choose(mask, own, own.new_full((), 2.5)), own.masked_fill(~mask, 2.5))
    leaf = own.clone().requires_grad_()
    choose(mask, leaf, images(1)).sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, mask.float().expand_as(leaf))


@pytest.mark.parametrize('box', [(1, 4, 2, 7), (0, 6, 0, 7), (3, 3, 2, 5)])
@pytest.mark.parametrize('channels_last', [False, True])
def test_pasting_is_assigning_a_slice(box: tuple[int, int, int, int], channels_last: bool) -> None:
    top, bottom, left, right = box
    own, pool = images(0, channels_last=channels_last), images(1, channels_last=channels_last)
    rows = torch.tensor([4, 0, 0, 2, 3])
    expected, before = own.clone(), own.clone()
    for i, row in enumerate(rows.tolist()):
        expected[i, :, top:bottom, left:right] = pool[row, :, top:bottom, left:right]
    mixed, mask = paste(own, box, pool[..., top:bottom, left:right], rows)
    assert torch.equal(mixed, expected)
    assert torch.equal(own, before)
    assert mixed.stride() == own.stride()
    hole = (mask[0, 0] == 0).nonzero()
    assert len(hole) == (bottom - top) * (right - left)
    assert all(top <= y < bottom and left <= x < right for y, x in hole.tolist())


def test_pasting_keeps_graphs() -> None:
    own, pool = images(0).requires_grad_(), images(1).requires_grad_()
    paste(own, (1, 4, 2, 7), pool[..., 1:4, 2:7], torch.tensor([4, 0, 0, 2, 3]))[0].sum().backward()
    assert own.grad is not None
    assert pool.grad is not None
    outside = torch.ones(6, 7)
    outside[1:4, 2:7] = 0
    assert torch.equal(own.grad, outside.expand_as(own))
    taken = torch.tensor([2.0, 0, 1, 1, 1]).view(5, 1, 1, 1)
    assert torch.equal(pool.grad, taken * (1 - outside).expand_as(pool))


@pytest.mark.parametrize('channels_last', [False, True])
def test_rows_keep_the_memory_format(channels_last: bool) -> None:
    pool, rows = images(0, channels_last=channels_last), torch.tensor([4, 0, 0])
    taken = take_rows(pool, rows)
    assert torch.equal(taken, pool[rows])
    assert taken.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_a_box_of_numbers_is_the_box_of_tensors() -> None:
    for share in [*torch.rand(200).tolist(), 0.0, 1.0]:
        # The shares of a batch are float32, and the host reads them as they are.
        row = torch.tensor([share])
        size = area_size(float(row), 33, 50)
        assert size == tuple(int(side) for side in area_size(row, 33, 50))
        cy, cx = random_centre(0.5, 33, 50)
        assert 0 <= cy < 33
        assert 0 <= cx < 50
        rows = centred(torch.tensor([cy]), torch.tensor([cx]), *(torch.tensor([side]) for side in size))
        numbers = clipped(centred(cy, cx, *size), 33, 50)
        assert numbers == tuple(int(side) for side in clipped(rows, 33, 50))
        assert torch.equal(box_mask(rows, 33, 50), box_mask(clipped(rows, 33, 50), 33, 50))


def test_centres_are_uniform() -> None:
    torch.manual_seed(0)
    one_by_one = torch.tensor([random_centre(0.5, 3, 4) for _ in range(6000)]).T
    for cy, cx in (random_centre(torch.zeros(6000), 3, 4), one_by_one):
        counts = torch.bincount(cy * 4 + cx, minlength=12).double()
        # 31.3 is the 0.999 quantile of chi-square with 11 degrees of freedom.
        assert ((counts - 500) ** 2 / 500).sum() < 31.3


@pytest.mark.parametrize('channels_last', [False, True])
def test_noise_fills_the_boxes_alone_in_the_loop_of_a_cpu_as_in_the_pass_of_a_gpu(channels_last: bool) -> None:
    own = torch.full((64, 3, 16, 12), 100.0)
    own = own.to(memory_format=torch.channels_last) if channels_last else own
    share, rows = torch.zeros(64), torch.arange(64)
    share[::4] = 1
    eraser = RandomErasing(lam_mode='elem', prob=0.75, scale=(0.1, 0.5))
    for blend in (eraser.blend, super(Eraser, eraser).blend):
        torch.manual_seed(0)
        erased, mask = blend(own, own, rows, share)
        noise = erased[(~mask).expand_as(erased)]
        assert (erased[mask.expand_as(erased)] == 100).all()
        assert mask[::4].all()
        assert noise.numel() > 2000
        assert abs(noise.mean()) < 0.1
        assert abs(noise.std() - 1) < 0.1
        assert len(noise.unique()) > 0.99 * noise.numel()
        assert erased.stride() == own.stride()
        assert (own == 100).all()


@pytest.mark.parametrize('keep', [None, dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.SpectralResidual'))])
@pytest.mark.parametrize('channels_last', [False, True])
def test_boxes_of_large_images_are_copied_one_by_one_to_the_same_end(keep: dict | None, channels_last: bool) -> None:
    own = torch.rand(4, 3, 110, 100)
    own = own.to(memory_format=torch.channels_last) if channels_last else own
    mixer, before = CutMix(lam_mode='elem', keep=keep), own.clone()
    mixes = []
    for worth in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixels, '_WORTH_A_LOOP', worth)
            torch.manual_seed(3)
            mixes.append(mixer.mix(own, torch.eye(4)))
    one, two = mixes
    assert 0 < one.mask.mean() < 1
    for name in ('images', 'mask', 'lam', 'scores', 'partner'):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    assert one.images.stride() == own.stride()
    assert torch.equal(own, before)
