"""Selective cut and paste against a reference that rates every place by itself."""

from math import ceil, floor

import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from table import TinyNet
from torch import Tensor

from mmmix import (
    CutMix,
    Cutout,
    Guide,
    KeepCutMix,
    KeepCutout,
    KeepRandomErasing,
    RandomErasing,
    SelectiveCut,
    SelectivePaste,
)
from mmmix.keeps import choices_of
from mmmix.ops.order import order_statistic

TAUS = [0.0, 0.3, 0.6, 0.7, 1.0]


class Given(Guide):
    """A guide that says what it was told."""

    def __init__(self, maps: Tensor):
        self.maps = maps

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return self.maps


def places(importance: Tensor, height: int, width: int) -> dict[tuple[int, int], float]:
    """The importance of every box inside one map, by its top left corner: plain loops."""
    rows, columns = importance.shape
    return {
        (top, left): float(importance[top : top + height, left : left + width].double().sum())
        for top in range(rows - height + 1)
        for left in range(columns - width + 1)
    }


@pytest.mark.parametrize('tau', TAUS)
@pytest.mark.parametrize('kind', [SelectiveCut, SelectivePaste])
def test_allowed_places_are_those_of_brute_force(kind: type, tau: float) -> None:
    maps = torch.rand(12, 1, 11, 8)
    heights, widths = torch.randint(1, 12, (12,)), torch.randint(1, 9, (12,))
    keep = kind(Given(maps), tau)
    allowed = keep.allowed(maps, heights, widths)
    for i, (height, width) in enumerate(zip(heights.tolist(), widths.tolist(), strict=True)):
        rated = places(maps[i, 0], height, width)
        ranked = sorted(rated.values())
        position = round(tau * (len(ranked) - 1), 9)
        bound = ranked[floor(position) if kind is SelectiveCut else ceil(position)]
        expected = {
            (top + height // 2, left + width // 2)
            for (top, left), value in rated.items()
            if (value <= bound + 1e-5 if kind is SelectiveCut else value >= bound - 1e-5)
        }
        assert {tuple(place) for place in allowed[i].nonzero().tolist()} == expected


@pytest.mark.parametrize('tau', TAUS)
@pytest.mark.parametrize('kind', [SelectiveCut, SelectivePaste])
def test_chosen_regions_keep_to_their_side_of_the_quantile(kind: type, tau: float) -> None:
    maps = torch.rand(64, 1, 10, 14)
    heights, widths = torch.randint(1, 11, (64,)), torch.randint(1, 15, (64,))
    cy, cx = kind(Given(maps), tau)(maps, heights, widths)
    for i in range(64):
        height, width = int(heights[i]), int(widths[i])
        top, left = int(cy[i]) - height // 2, int(cx[i]) - width // 2
        rated = places(maps[i, 0], height, width)
        quantile = float(torch.tensor(list(rated.values())).quantile(tau))
        if kind is SelectiveCut:
            assert rated[top, left] <= quantile + 1e-4
        else:
            assert rated[top, left] >= quantile - 1e-4


def test_allowed_places_are_drawn_uniformly() -> None:
    one = torch.rand(1, 1, 9, 7)
    n = 6000
    size = torch.full((n,), 4)
    keep = SelectiveCut(Given(one), 0.5)
    allowed = keep.allowed(one, size[:1], size[:1])[0]
    cy, cx = keep(one.expand(n, -1, -1, -1), size, size)
    counts = torch.bincount(cy * 7 + cx, minlength=63)
    assert counts[~allowed.flatten()].sum() == 0
    assert chisquare(counts[allowed.flatten()].numpy()).pvalue > 1e-3


@pytest.mark.parametrize('kind', [SelectiveCut, SelectivePaste])
@pytest.mark.parametrize('tau', [0.0, 0.6, 1.0])
def test_flat_maps_leave_every_place(kind: type, tau: float) -> None:
    for value in (0.0, 0.1, 1.0):
        maps = torch.full((1, 1, 8, 6), value)
        allowed = kind(Given(maps), tau).allowed(maps, torch.tensor([3]), torch.tensor([2]))
        assert int(allowed.sum()) == (8 - 3 + 1) * (6 - 2 + 1)


def test_a_tau_of_one_cuts_anywhere_and_pastes_the_best() -> None:
    maps = torch.rand(5, 1, 8, 8)
    size = torch.full((5,), 3)
    assert int(SelectiveCut(Given(maps), 1.0).allowed(maps, size, size).sum()) == 5 * 36
    assert int(SelectivePaste(Given(maps), 0.0).allowed(maps, size, size).sum()) == 5 * 36
    assert int(SelectiveCut(Given(maps), 0.0).allowed(maps, size, size).sum()) == 5
    assert int(SelectivePaste(Given(maps), 1.0).allowed(maps, size, size).sum()) == 5


def test_paste_is_cut_turned_round() -> None:
    maps = torch.rand(16, 1, 9, 8)
    heights, widths = torch.randint(1, 10, (16,)), torch.randint(1, 9, (16,))
    for tau in (0.0, 0.25, 0.6, 1.0):
        paste = SelectivePaste(Given(maps), tau).allowed(maps, heights, widths)
        cut = SelectiveCut(Given(maps), 1 - tau).allowed(-maps, heights, widths)
        assert torch.equal(paste, cut)


def test_order_statistic_is_that_of_a_sort() -> None:
    values, chosen = torch.rand(40, 30), torch.rand(40, 30) < torch.rand(40, 1)
    chosen[:, 0] = True
    for tau in TAUS:
        for below in (True, False):
            found = order_statistic(values, chosen, tau, below)
            for row in range(40):
                ranked = values[row][chosen[row]].sort().values
                position = round(tau * (len(ranked) - 1), 9)
                assert found[row] == ranked[floor(position) if below else ceil(position)]


def test_a_guide_that_overflowed_still_leaves_a_place() -> None:
    maps = torch.full((3, 1, 6, 6), float('nan'))
    size = torch.full((3,), 2)
    assert SelectiveCut(Given(maps), 0.6).allowed(maps, size, size).flatten(1).any(1).all()


@pytest.mark.parametrize('tau', [0.0, 0.3, 0.6, 1.0])
def test_clipped_boxes_stay_at_the_border_if_they_may(tau: float) -> None:
    maps = torch.rand(60, 1, 9, 7)
    heights, widths = torch.randint(1, 9, (60,)), torch.randint(1, 7, (60,))
    clipped = torch.rand(60) < 0.5, torch.rand(60) < 0.5
    keep = SelectiveCut(Given(maps), tau)
    anywhere, allowed = keep.allowed(maps, heights, widths), keep.allowed(maps, heights, widths, clipped)
    stayed = 0
    for i in range(60):
        height, width = int(heights[i]), int(widths[i])
        tops = {0, 9 - height} if clipped[0][i] else set(range(9 - height + 1))
        lefts = {0, 7 - width} if clipped[1][i] else set(range(7 - width + 1))
        border = {(top + height // 2, left + width // 2) for top in tops for left in lefts}
        free = {tuple(place) for place in anywhere[i].nonzero().tolist()}
        stayed += bool(border & free)
        assert {tuple(place) for place in allowed[i].nonzero().tolist()} == (border & free or free)
    assert stayed == 60 if tau == 1 else stayed > 0


def test_a_tau_of_one_is_the_mixer_without_a_keep() -> None:
    images, scores, maps = torch.zeros(4000, 1, 10, 8), torch.zeros(4000, 2), torch.rand(4000, 1, 10, 8)
    free = Cutout(length=5).mix(images, scores).mask.mean(0)
    kept = Cutout(length=5, keep=SelectiveCut(Given(maps), 1.0)).mix(images, scores).mask.mean(0)
    # Each pixel is erased as often: the standard error of a difference of two shares of 4,000 is below 0.0112.
    assert float((free - kept).abs().max()) < 0.045


@pytest.mark.parametrize('length', [4, 8, 12])
def test_a_cut_removes_less_than_without_a_keep_at_any_length(length: int) -> None:
    maps = torch.rand(3000, 1, 16, 16) * 0.1
    maps[:, :, 2:9, 1:8] = 1
    images, scores = torch.zeros(3000, 1, 16, 16), torch.zeros(3000, 2)
    free, kept = (
        float((maps * (1 - mixer.mix(images, scores).mask)).sum())
        for mixer in (Cutout(length), Cutout(length, keep=SelectiveCut(Given(maps), 0.6)))
    )
    assert kept < 0.95 * free


def test_choices_tell_what_was_drawn() -> None:
    maps = torch.rand(5, 1, 12, 10)
    mixer = KeepCutout(Given(maps), length=4)
    with choices_of(mixer.keep) as choices:
        mix = mixer.mix(torch.rand(5, 3, 12, 10), torch.zeros(5, 2))
    mixer.mix(torch.rand(5, 3, 12, 10), torch.zeros(5, 2))
    (choice,) = choices
    assert torch.equal(choice.importance, maps)
    top, bottom, left, right = choice.box
    for i in range(5):
        erased = torch.zeros(12, 10)
        erased[top[i] : bottom[i], left[i] : right[i]] = 1
        assert torch.equal(1 - mix.mask[i, 0], erased)
        cy, cx = int(top[i] + (bottom[i] - top[i]) // 2), int(left[i] + (right[i] - left[i]) // 2)
        assert choice.allowed[i, cy, cx] and choice.candidates[i, cy, cx]
        assert float(choice.sums[i, cy, cx]) == pytest.approx(float((maps[i, 0] * erased).sum()), rel=1e-4)


# --------------------------------------------------------------------------------------------------------- the mixers


def test_cutout_erases_a_clipped_square_around_a_uniform_centre() -> None:
    mask = Cutout(length=6).mix(torch.ones(4000, 1, 10, 8), torch.zeros(4000, 2)).mask[:, 0]
    areas = (1 - mask).sum((1, 2))
    # Clipped extents around centres 0..9 and 0..7, independent of each other.
    heights = torch.tensor([min(c + 3, 10) - max(c - 3, 0) for c in range(10)]).float()
    widths = torch.tensor([min(c + 3, 8) - max(c - 3, 0) for c in range(8)]).float()
    expected = heights.mean() * widths.mean()
    assert areas.max() == 36 and areas.min() == 9
    assert abs(float(areas.mean() - expected)) < 0.5
    # Each one is a box: as many pixels as its rows times its columns.
    rows, columns = (mask == 0).any(2).sum(1), (mask == 0).any(1).sum(1)
    assert torch.equal(rows * columns, areas.long())


def test_cutout_fills_with_what_it_is_told() -> None:
    images = torch.ones(8, 3, 12, 12)
    for fill in (0.0, -2.5):
        mix = Cutout(length=4, fill=fill).mix(images, torch.eye(8))
        assert torch.equal(mix.images, torch.where(mix.mask > 0, images, fill))
    noise = Cutout(length=40, fill='random').mix(images, torch.eye(8)).images
    noise = noise[noise != 1]
    assert noise.unique().numel() == noise.numel() > 500
    assert abs(float(noise.mean())) < 0.2 and abs(float(noise.std()) - 1) < 0.2


def test_random_erasing_keeps_to_its_ranges() -> None:
    mixer = RandomErasing(scale=(0.1, 0.3), ratio=(0.5, 2.0), prob=1.0)
    mask = mixer.mix(torch.zeros(2000, 1, 40, 50), torch.zeros(2000, 2)).mask[:, 0] == 0
    rows, columns = mask.any(2).sum(1).double(), mask.any(1).sum(1).double()
    assert torch.equal((rows * columns).long(), mask.sum((1, 2)))
    share = rows * columns / 2000
    assert float(share.min()) > 0.085 and float(share.max()) < 0.325
    assert ks_2samp(share.numpy(), torch.empty(2000).uniform_(0.1, 0.3).numpy()).pvalue > 1e-3
    assert float((rows / columns).min()) > 0.43 and float((rows / columns).max()) < 2.3
    # Whole boxes: erased pixels are not piled up at the border.
    assert mask.any(2).float().mean(0)[0] < 0.5


def test_random_erasing_leaves_an_image_alone_where_no_box_fits() -> None:
    mix = RandomErasing(scale=(1.0, 1.0), ratio=(1.0, 1.0), prob=1.0).mix(torch.ones(4, 3, 8, 8), torch.eye(4))
    assert bool((mix.mask == 1).all())


@pytest.mark.parametrize('kind', [KeepCutout, KeepRandomErasing])
def test_labels_are_preserved(kind: type) -> None:
    mixer = kind(prob=1.0)
    mixer.bind(TinyNet())
    scores = torch.rand(6, 8).softmax(1)
    mix = mixer.mix(torch.rand(6, 3, 24, 20), scores)
    assert torch.equal(mix.scores, scores) and torch.equal(mix.lam, torch.ones(6))
    assert bool((mix.mask == 0).flatten(1).any(1).all())


def test_keep_cutmix_has_the_law_of_cutmix_and_removes_less() -> None:
    images = torch.rand(512, 3, 16, 12)
    maps = torch.rand(512, 1, 16, 12) * 0.2
    maps[:, :, 3:8, 2:6] = 1
    scores = torch.eye(8).repeat(64, 1)
    mass = maps / maps.sum((2, 3), keepdim=True)
    removed, shares = [], []
    for mixer in (CutMix(lam_mode='elem'), KeepCutMix(Given(maps), lam_mode='elem')):
        torch.manual_seed(5)
        mixes = [mixer.mix(images, scores) for _ in range(3)]
        shares.append(torch.cat([mix.lam for mix in mixes]).numpy())
        removed.append(float(sum((mass * (1 - mix.mask)).sum() for mix in mixes)))
    assert ks_2samp(*shares).pvalue > 0.01
    assert removed[1] < 0.9 * removed[0]


def test_presets_are_the_mixers_with_a_part_filled_in() -> None:
    maps = torch.rand(4, 1, 12, 10)
    images, scores = torch.rand(4, 3, 12, 10), torch.eye(4)
    pairs = [
        (KeepCutout(Given(maps), 0.3, length=4), Cutout(length=4, keep=SelectiveCut(Given(maps), 0.3))),
        (KeepCutMix(Given(maps), 0.3), CutMix(keep=SelectiveCut(Given(maps), 0.3))),
        (KeepRandomErasing(Given(maps), 0.3), RandomErasing(keep=SelectiveCut(Given(maps), 0.3))),
    ]
    for preset, spelled in pairs:
        torch.manual_seed(2)
        first = preset(images, scores)
        torch.manual_seed(2)
        second = spelled(images, scores)
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    ('build', 'names'),
    [
        (lambda: Cutout(length=0), 'length=16'),
        (lambda: Cutout(length=(3, 4, 5)), 'length=16'),
        (lambda: Cutout(fill='noise'), "'random'"),
        (lambda: RandomErasing(scale=(0.3, 0.1)), r'\(0.02, 0.33\)'),
        (lambda: RandomErasing(ratio=(0, 1)), r'\(0.3, 3.3\)'),
        (lambda: KeepCutout(tau=1.5), 'tau=0.6'),
        (lambda: SelectivePaste(guide=None), 'InputGradient'),
    ],
)
def test_bad_arguments_name_the_fix(build, names: str) -> None:
    with pytest.raises((ValueError, TypeError), match=names):
        build()
