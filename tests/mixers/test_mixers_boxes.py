"""Mixers that paste resized or salient boxes, against plain loops over images."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from torch import Tensor

import mmmix
from mmmix.core import Guide
from mmmix.mixers import snapmix
from mmmix.ops.cells import cells_to_pixels
from mmmix.ops.resample import resample


class Given(Guide):
    """A guide that was told what to say: its maps are the first channel of the images."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return images[:, :1].float().abs()


def whole(images: Tensor) -> tuple[Tensor, ...]:
    zeros = torch.zeros(len(images), dtype=torch.long)
    return zeros, zeros + images.shape[2], zeros, zeros + images.shape[3]


@pytest.mark.parametrize('interpolation', ['bilinear', 'nearest'])
def test_resample_equals_cutting_out_and_interpolating(interpolation: str) -> None:
    images = torch.rand(40, 2, 13, 17)
    low, high = torch.randint(0, 8, (4, 40)), torch.randint(1, 10, (4, 40))
    source = low[0], (low[0] + high[0]).clamp(max=13), low[1], (low[1] + high[1]).clamp(max=17)
    target = low[2], (low[2] + high[2]).clamp(max=13), low[3], (low[3] + high[3]).clamp(max=17)
    found = resample(images, source, target, interpolation)
    for i in range(40):
        y, beyond_y, x, beyond_x = (int(side[i]) for side in source)
        top, bottom, left, right = (int(side[i]) for side in target)
        cut = images[i : i + 1, :, y:beyond_y, x:beyond_x]
        mode = dict(mode='bilinear', align_corners=False) if interpolation == 'bilinear' else dict(mode='nearest-exact')
        expected = F.interpolate(cut, (bottom - top, right - left), **mode)
        torch.testing.assert_close(found[i : i + 1, :, top:bottom, left:right], expected, rtol=0, atol=3e-5)


def test_cells_to_pixels_for_any_size() -> None:
    cells = torch.rand(2, 1, 3, 4)
    for height, width in ((6, 8), (7, 9), (3, 4), (10, 4)):
        spread = cells_to_pixels(cells, height, width)
        expected = [
            [[cells[i, 0, y * 3 // height, x * 4 // width] for x in range(width)] for y in range(height)]
            for i in (0, 1)
        ]
        assert torch.equal(spread[:, 0], torch.tensor(expected))


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_resizemix_left_where_it_fell_is_cut_off_and_never_squeezed(mode: str) -> None:
    """What is pasted is a window of the partner resized to tau times its size, whatever the border cuts off."""
    torch.manual_seed(2)
    images, scores = torch.rand(8, 3, 20, 14), torch.eye(8)
    sizes = set()
    for _ in range(15):
        mix = mmmix.ResizeMix(scope=(0.5, 0.5), inside=False, lam_mode=mode).mix(images, scores)
        for i in range(8):
            inside = (mix.mask[i, 0] == 0).nonzero()
            (top, left), (bottom, right) = inside.amin(0).tolist(), (inside.amax(0) + 1).tolist()
            # tau is 1/2: a full box has 10 x 7 pixels, and a border cuts the side off that lies beyond it.
            small = F.interpolate(mix.pool[mix.partner[i]][None], (10, 7), mode='bilinear', align_corners=False)[0]
            y = 10 - (bottom - top) if top == 0 else 0
            x = 7 - (right - left) if left == 0 else 0
            window = small[:, y : y + bottom - top, x : x + right - left]
            torch.testing.assert_close(mix.images[i, :, top:bottom, left:right], window, rtol=0, atol=1e-5)
            assert len(inside) == (bottom - top) * (right - left)
            sizes.add((bottom - top, right - left))
    assert (10, 7) in sizes and len(sizes) > 3


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_resizemix_shows_the_whole_partner(mode: str) -> None:
    """The box is shifted inside: floor(tau * side) pixels of it show, and the label is 1 minus their part exactly."""
    torch.manual_seed(2)
    images, scores = torch.rand(8, 3, 21, 14), torch.eye(8)
    small = F.interpolate(images, (10, 7), mode='bilinear', align_corners=False)
    edges = 0
    for _ in range(15):
        mix = mmmix.ResizeMix(scope=(0.5, 0.5), lam_mode=mode).mix(images, scores)
        assert torch.equal(mix.lam, torch.full((8,), 1 - 70 / (21 * 14)))
        for i in range(8):
            (top, left), (bottom, right) = (mix.mask[i, 0] == 0).nonzero().aminmax(dim=0)
            assert (int(bottom - top), int(right - left)) == (9, 6)
            pasted = mix.images[i, :, top : bottom + 1, left : right + 1]
            torch.testing.assert_close(pasted, small[mix.partner[i]], rtol=0, atol=1e-5)
            edges += int(top) in (0, 11) and int(left) in (0, 7)
    assert edges > 10, 'what would stick out lies at the border'


def test_resizemix_draws_tau_uniformly_in_its_scope() -> None:
    from scipy.stats import kstest

    share = mmmix.ResizeMix(scope=(0.2, 0.6)).sample_share(4000, torch.device('cpu'))
    tau = (1 - share).sqrt().numpy()
    assert kstest((tau - 0.2) / 0.4, 'uniform').pvalue > 1e-3
    drawn = (1 - mmmix.ResizeMix(scope=(0.2, 0.6), alpha=5.0).sample_share(4000, torch.device('cpu'))).sqrt()
    assert float(drawn.min()) >= 0.2 and float(drawn.max()) <= 0.6001
    assert float(drawn.mean()) > float(tau.mean())  # Beta(5, 5) has most of its mass around 1/2


def test_resizemix_with_a_pool_larger_than_the_batch() -> None:
    class Strangers(mmmix.Permutation):
        def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return torch.cat([images, images + 5]), torch.cat([scores, scores]), len(images) + torch.arange(len(images))

    mix = mmmix.ResizeMix(scope=(0.5, 0.6), partners=Strangers()).mix(torch.rand(4, 3, 12, 12), torch.eye(4))
    inside = (mix.mask == 0).expand_as(mix.images)
    assert inside.any() and float(mix.images[inside].min()) >= 5 and float(mix.images[~inside].max()) < 5


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_saliencymix_box_holds_the_partners_peak(mode: str) -> None:
    torch.manual_seed(1)
    images = torch.rand(16, 3, 20, 14) * 0.1
    peaks = torch.stack([torch.randint(20, (16,)), torch.randint(14, (16,))], 1)
    images[torch.arange(16), 0, peaks[:, 0], peaks[:, 1]] = 1
    mixed = 0
    for _ in range(10):
        mix = mmmix.SaliencyMix(guide=Given(), lam_mode=mode).mix(images, torch.eye(16))
        for i in range(16):
            box = (mix.mask[i, 0] == 0).nonzero()
            if len(box):
                mixed += 1
                y, x = peaks[mix.partner[i]].tolist()
                assert mix.mask[i, 0, y, x] == 0
                (top, left), (bottom, right) = box.amin(0).tolist(), (box.amax(0) + 1).tolist()
                # The peak is the centre unless a border cut the box.
                assert y - top == (bottom - top) // 2 or top == 0 or bottom == 20
                assert x - left == (right - left) // 2 or left == 0 or right == 14
    assert mixed > 100


def test_saliencymix_size_follows_cutmix() -> None:
    images = torch.zeros(512, 1, 32, 32)
    images[:, 0, 16, 16] = 1  # in the middle nothing is clipped
    mix = mmmix.SaliencyMix(guide=Given(), lam_mode='elem').mix(images, torch.eye(512))
    side = ((1 - mix.lam) * 32 * 32).sqrt()
    torch.testing.assert_close(side, side.round(), rtol=0, atol=1e-3)
    assert 0.45 < float(mix.lam.mean()) < 0.6


def test_recursivemix_pastes_the_last_step_with_its_label() -> None:
    torch.manual_seed(0)
    mixer = mmmix.RecursiveMix(scope=(0.4, 0.5))
    last = mixer.mix(torch.rand(6, 3, 12, 12), torch.eye(6))
    for n in (6, 4, 9):
        images, scores = torch.rand(n, 3, 12, 12), torch.eye(6)[torch.arange(n) % 6]
        mix = mixer.mix(images, scores)
        source = torch.arange(n) % len(last.images)
        assert torch.equal(mix.pool[mix.partner], last.images[source])
        torch.testing.assert_close(mix.scores, mix.lam[:, None] * scores + (1 - mix.lam[:, None]) * last.scores[source])
        box = (mix.mask[0, 0] == 0).nonzero()
        (top, left), (bottom, right) = box.amin(0).tolist(), (box.amax(0) + 1).tolist()
        squeezed = F.interpolate(
            last.images[source], (bottom - top, right - left), mode='bilinear', align_corners=False
        )
        torch.testing.assert_close(mix.images[:, :, top:bottom, left:right], squeezed, rtol=0, atol=1e-5)
        last = mix
    assert (last.scores > 0).sum(1).max() > 2, 'labels pile up over the steps'


def test_history_is_a_memory_of_values_not_of_tensors() -> None:
    mixer = mmmix.CutMix(partners=dict(type='mmmix.History'))
    first = mixer.mix(torch.rand(4, 3, 8, 8), torch.eye(4))
    kept = first.images.clone()
    first.images.zero_()
    assert torch.equal(mixer.mix(torch.rand(4, 3, 8, 8), torch.eye(4)).pool[4:], kept)
    # A new shape is a new start.
    assert len(mixer.mix(torch.rand(4, 3, 6, 6), torch.eye(4)).pool) == 4


def test_history_ignores_unmixed_batches_no_more_than_mixed_ones() -> None:
    partners = mmmix.History()
    images = torch.rand(4, 3, 8, 8)
    mmmix.CutMix(partners=partners, prob=0.0).mix(images, torch.eye(4))
    pool, _, partner = partners(torch.rand(4, 3, 8, 8), torch.eye(4))
    assert torch.equal(pool[partner], images)


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_snapmix_shares_are_sums_of_the_maps(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares and pixels from the two boxes, image by image; the boxes are found in what came out."""
    torch.manual_seed(3)
    images = torch.rand(8, 3, 16, 12)
    scores = torch.eye(4).repeat(2, 1)
    mixer = mmmix.SnapMix(guide=Given(), lam_mode=mode)
    drawn = []
    random_box = snapmix.random_box

    def listen(*args):
        drawn.append(random_box(*args))
        return drawn[-1]

    monkeypatch.setattr(snapmix, 'random_box', listen)
    for _ in range(10):
        drawn.clear()
        mix = mixer.mix(images, scores)
        own_box, cut_box = drawn
        for i in range(8):
            row = i if mode == 'elem' else 0
            top, bottom, left, right = (int(side[row]) for side in own_box)
            y, beyond_y, x, beyond_x = (int(side[row]) for side in cut_box)
            partner = int(mix.partner[i])
            if (bottom - top) * (right - left) == 0 or (beyond_y - y) * (beyond_x - x) == 0:
                assert torch.equal(mix.images[i], images[i]) and mix.lam[i] == 1 and mix.lam_partner[i] == 0
                continue
            own_map, other_map = images[i, 0] / images[i, 0].sum(), images[partner, 0] / images[partner, 0].sum()
            lam = 1 - own_map[top:bottom, left:right].sum()
            lam_partner = other_map[y:beyond_y, x:beyond_x].sum()
            if i % 4 == partner % 4:
                lam = lam_partner = lam + lam_partner
            torch.testing.assert_close(mix.lam[i], lam, rtol=0, atol=1e-5)
            torch.testing.assert_close(mix.lam_partner[i], lam_partner, rtol=0, atol=1e-5)
            pasted = F.interpolate(
                images[partner : partner + 1, :, y:beyond_y, x:beyond_x],
                (bottom - top, right - left),
                mode='bilinear',
                align_corners=False,
            )[0]
            torch.testing.assert_close(mix.images[i, :, top:bottom, left:right], pasted, rtol=0, atol=1e-4)


def test_stackmix_of_double_size_is_two_whole_images() -> None:
    images = torch.rand(4, 3, 6, 5)
    mix = mmmix.StackMix(keep_size=False).mix(images, torch.eye(4))
    assert torch.equal(mix.images, torch.cat([images, images[mix.partner]], 3))
    assert torch.equal(mix.lam, torch.full((4,), 0.5))
    mix = mmmix.StackMix(axis='height').mix(images, torch.eye(4))
    halves = F.interpolate(images, (3, 5), mode='bilinear', align_corners=False)
    torch.testing.assert_close(mix.images, torch.cat([halves, halves[mix.partner]], 2))


def test_gridmask_upright_equals_the_authors_construction() -> None:
    """Rows and columns of a stripe stay, squares go: built with slices for one image at a time."""
    from mmmix.ops.masks import grid_mask

    rng = np.random.default_rng(0)
    for _ in range(30):
        height, width = (int(side) for side in rng.integers(8, 30, 2))
        unit, ratio = int(rng.integers(2, 12)), float(rng.random())
        stripe = int(unit * ratio + 0.5)
        shift_y, shift_x = (int(shift) for shift in rng.integers(0, unit, 2))
        kept = np.zeros((height, width), bool)
        for start in range(-unit, max(height, width) + unit, unit):
            kept[max(0, start + shift_y) : max(0, start + shift_y + stripe)] = True
            kept[:, max(0, start + shift_x) : max(0, start + shift_x + stripe)] = True
        found = grid_mask(height, width, *(torch.tensor([float(v)]) for v in (unit, stripe, shift_y, shift_x, 0)))
        assert np.array_equal(found[0, 0].numpy(), kept)


def test_gridmask_stripes_are_rounded_up() -> None:
    """``ceil(ratio * d)`` rows and columns of each unit stay, in double precision as the authors' own."""
    images = torch.ones(2, 1, 40, 40)
    for unit in (5, 7, 9, 20):
        for ratio in (0.3, 0.55, 0.6):
            mask = mmmix.GridMask(d_range=(unit, unit), ratio=ratio, rotate=0).mix(images, torch.eye(2)).mask[:, 0]
            assert (mask.amin(2).sum(1) >= (40 // unit) * math.ceil(unit * ratio)).all()
            period = mask.amin(2)[0, :unit].sum()
            assert int(period) == math.ceil(unit * ratio), (unit, ratio)


def test_gridmask_keeps_as_much_at_any_angle() -> None:
    """With a stripe of ``r`` of each unit, ``1 - (1 - r) ** 2`` of the image stays (the paper's keep ratio)."""
    images = torch.ones(64, 1, 60, 80)
    for rotate in (0, 360):
        mixed, scores = mmmix.GridMask(d_range=(10, 10), ratio=0.5, rotate=rotate)(images, torch.eye(64))
        assert abs(float(mixed.mean()) - 0.75) < 0.02
        assert torch.equal(scores, torch.eye(64))
    turned = mmmix.GridMask(d_range=(10, 10), ratio=0.5)(images, torch.eye(64))[0]
    straight = (turned[:, 0] == turned[:, 0, :1]).all(2).float().mean()
    assert straight < 0.5, 'rows of a turned grid are not all alike'


def test_gridmask_fills_its_grid_with_noise() -> None:
    """The squares of the grid, and nothing else, become noise."""
    images = torch.zeros(16, 3, 24, 20)
    mix = mmmix.GridMask(d_range=(8, 8), ratio=0.5, rotate=0, fill='random').mix(images, torch.eye(16))
    assert torch.equal(mix.images != 0, (mix.mask == 0).expand_as(images))
    rows, columns = (mix.mask == 0).any(3), (mix.mask == 0).any(2)
    for pattern in (rows[:, 0], columns[:, 0]):
        assert torch.equal(pattern[:, 8:], pattern[:, :-8]) and bool((pattern.float().mean(1) - 0.5).abs().max() < 0.15)
    noise = mix.images[(mix.mask == 0).expand_as(images)]
    assert abs(float(noise.mean())) < 0.1 and abs(float(noise.std()) - 1) < 0.1


def test_gridmask_ramp() -> None:
    images, scores = torch.ones(200, 1, 12, 12), torch.eye(200)
    mixer = mmmix.GridMask(d_range=(4, 6), prob=0.8, ramp_epochs=10)
    MessageHub.get_instance('a run that has not begun')  # the current one from now on, whatever ran before
    with pytest.raises(RuntimeError, match=r'mixer\.epoch'):
        mixer(images, scores)
    for epoch, expected in ((0, 0.0), (5, 0.4), (10, 0.8), (30, 0.8)):
        mixer.epoch = epoch
        erased = (mixer(images, scores)[0].flatten(1).amin(1) == 0).float().mean()
        assert abs(float(erased) - expected) < 4 * math.sqrt(0.25 / 200)
