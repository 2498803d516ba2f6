"""Both readings of KeepAugment's candidates: whole boxes of the clipped size, or the mixer's own places, clipped."""

from math import floor

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from mmmix import CutMix, Cutout, Guide, KeepCutMix, KeepCutout, KeepRandomErasing, Mixer, RandomErasing, SelectiveCut
from mmmix.keeps import choices_of


class Given(Guide):
    """A guide that says what it was told, for as many images as it is asked about."""

    def __init__(self, maps: Tensor):
        self.maps = maps

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return self.maps.expand(len(images), -1, -1, -1)


def clipped_sum(importance: Tensor, cy: int, cx: int, side: int) -> float:
    """What a square around a centre holds of one map, by a slice."""
    top, left = cy - side // 2, cx - side // 2
    return float(importance[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)].double().sum())


@pytest.mark.parametrize('tau', [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize('side', [1, 4, 7])
def test_own_places_are_rated_as_by_brute_force(tau: float, side: int) -> None:
    maps = torch.rand(6, 1, 9, 7)
    mixer = Cutout(length=side, keep=SelectiveCut(guide=Given(maps), tau=tau, candidates='clipped'))
    assert isinstance(mixer.keep, SelectiveCut)
    with choices_of(mixer.keep) as choices:
        mix = mixer.mix(torch.ones(6, 1, 9, 7), torch.eye(6))
    (choice,) = choices
    assert bool(choice.candidates.all()), 'Cutout draws any centre'
    for i in range(6):
        rated = {(y, x): clipped_sum(maps[i, 0], y, x, side) for y in range(9) for x in range(7)}
        bound = sorted(rated.values())[floor(round(tau * (len(rated) - 1), 9))]
        expected = {place for place, value in rated.items() if value <= bound + 1e-5}
        assert {tuple(place) for place in choice.allowed[i].nonzero().tolist()} == expected
        top, bottom, left, right = (int(edge[i]) for edge in choice.box)
        cut = torch.zeros(9, 7, dtype=torch.bool)
        cut[top:bottom, left:right] = True
        assert torch.equal(mix.mask[i, 0] == 0, cut)


@pytest.mark.parametrize('candidates', ['inside', 'clipped'])
@pytest.mark.parametrize(
    ('plain', 'kept'),
    [
        (Cutout(length=8), lambda **args: KeepCutout(length=8, **args)),
        (CutMix(lam_mode='elem'), lambda **args: KeepCutMix(lam_mode='elem', **args)),
        (RandomErasing(prob=1.0), lambda **args: KeepRandomErasing(prob=1.0, **args)),
    ],
    ids=['cutout', 'cutmix', 'erasing'],
)
def test_a_tau_of_one_is_the_mixer_alone(plain: Mixer, kept, candidates: str) -> None:
    """Areas and places of the boxes follow one law (two-sample Kolmogorov-Smirnov)."""
    images, scores = torch.zeros(1500, 1, 16, 12), torch.zeros(1500, 2)
    own = kept(guide=Given(torch.rand(1, 1, 16, 12)), tau=1.0, candidates=candidates)
    found = []
    for mixer in (plain, own):
        torch.manual_seed(5)
        gone = 1 - mixer.mix(images, scores).mask[:, 0]
        gone = gone[gone.flatten(1).any(1)]
        rows = (gone * torch.arange(16)[:, None]).sum((1, 2)) / gone.sum((1, 2))
        found.append((gone.mean((1, 2)).numpy(), rows.numpy()))
    for a, b in zip(*found, strict=True):
        assert ks_2samp(a, b).pvalue > 1e-3


def test_both_readings_spare_and_clipped_cuts_less() -> None:
    """Importance in the middle, as of most photographs: the places at the border are small and unimportant."""
    y, x = torch.arange(32)[:, None] - 15.5, torch.arange(32) - 15.5
    maps = torch.exp(-(y**2 + x**2) / 150)[None, None]
    images, scores = torch.zeros(2000, 1, 32, 32), torch.zeros(2000, 2)
    lost, area = {}, {}
    for name, mixer in (
        ('none', Cutout(length=16)),
        *((each, KeepCutout(guide=Given(maps), length=16, candidates=each)) for each in ('inside', 'clipped')),
    ):
        torch.manual_seed(1)
        gone = 1 - mixer.mix(images, scores).mask
        lost[name] = float((gone * maps).sum((1, 2, 3)).mean() / maps.sum())
        area[name] = float(gone.mean())
    assert lost['none'] > lost['inside'] > lost['clipped']
    assert abs(area['none'] - area['inside']) < 0.01 and area['clipped'] < area['none'] - 0.01
    assert lost['none'] / area['none'] > lost['inside'] / area['inside'] > lost['clipped'] / area['clipped']


def test_labels_follow_what_is_visible_of_the_partner() -> None:
    eye = torch.eye(8)
    images = eye[:, :, None, None].expand(-1, -1, 20, 24).contiguous()
    for mode in ('batch', 'elem'):
        mixer = KeepCutMix(guide=Given(torch.rand(1, 1, 20, 24)), tau=0.2, lam_mode=mode, candidates='clipped')
        for _ in range(10):
            mix = mixer.mix(images, eye)
            torch.testing.assert_close(mix.images.mean((2, 3)), mix.scores, rtol=0, atol=2e-6)


def test_what_candidates_may_be() -> None:
    with pytest.raises(ValueError, match="SelectiveCut: `candidates` must be 'inside' or 'clipped', but got 'all'"):
        SelectiveCut(guide=Given(torch.rand(1, 1, 2, 2)), candidates='all')
