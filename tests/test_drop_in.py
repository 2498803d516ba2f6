"""Beside torchvision and mmpretrain: the same draw makes the same pixels and the same labels."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mmpretrain.models.utils import batch_augments as host
from mmpretrain.registry import BATCH_AUGMENTS
from page_tables import rows_of
from torch import Tensor
from torchvision.transforms import v2

import mmmix
from mmmix import CutMix, DrawnShare, Mixup, Partners, ResizeMix, Roll, TimmMixup
from mmmix.core import kinds
from mmmix.core.fields import state
from mmmix.mixers import minmax

N, C, HEIGHT, WIDTH, CLASSES = 8, 3, 24, 20, 10
#: Ratios for which the sides of a box are even, 12 x 10, 4 x 4 and 16 x 14 pixels: then packages do not differ by one.
EVEN = (0.75, 0.958, 0.503)
#: Centres, of which some have the border cut the box.
CENTRES = ((12, 10), (2, 17), (23, 0))
DRAWS = [(share, centre) for share in EVEN for centre in CENTRES]


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Images and class indices."""
    return torch.rand(N, C, HEIGHT, WIDTH), torch.randint(CLASSES, (N,))


class As(Partners):
    """Partners that somebody else drew."""

    rows: Any = state()

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """These rows of the batch."""
        return images, scores, self.rows


def partners(rows: Tensor) -> As:
    """Partners that were drawn."""
    found = As()
    found.rows = rows
    return found


def told(mixer: Any, share: float) -> Any:
    """The mixer, whose next ratio is this one."""
    mixer.sample_share = lambda count, device: torch.full((count,), share)
    return mixer


def same(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    """Images and labels are alike, up to rounding in float32."""
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(ours[1], theirs[1].float(), rtol=0, atol=1e-6)


# ---------------------------------------------------------------------------------------------------------- torchvision


class FixedBeta:
    """torchvision's law of the ratio, drawn already."""

    def __init__(self, share: float):
        self.share = share

    def sample(self, size: tuple) -> Tensor:
        """The ratio."""
        return torch.tensor(self.share)


@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_mixup_of_torchvision(batch: tuple[Tensor, Tensor], share: float) -> None:
    theirs = v2.MixUp(num_classes=CLASSES)
    theirs._dist = FixedBeta(share)
    same(told(Mixup(num_classes=CLASSES, partners=Roll()), share)(*batch), theirs(*batch))


@pytest.mark.parametrize(('share', 'centre'), DRAWS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.uint8])
def test_cutmix_of_torchvision(
    batch: tuple[Tensor, Tensor], share: float, centre: tuple[int, int], dtype: torch.dtype, monkeypatch: Any
) -> None:
    images, labels = (batch[0] * 255).to(dtype), batch[1]
    theirs = v2.CutMix(num_classes=CLASSES)
    theirs._dist = FixedBeta(share)
    drawn = iter(centre[::-1])  # the column comes first there
    with monkeypatch.context() as patch:
        patch.setattr(torch, 'randint', lambda *args, **kwargs: torch.tensor([next(drawn)]))
        expected = theirs(images, labels)
    monkeypatch.setattr(kinds, 'random_centre', lambda *args: centre)
    same(told(CutMix(num_classes=CLASSES, partners=Roll()), share)(images, labels), expected)


def test_roll_of_torchvision() -> None:
    rows = torch.arange(5)
    assert torch.equal(Roll()(rows, rows)[2], rows.roll(1)) and torch.equal(Roll(shift=2)(rows, rows)[2], rows.roll(2))


# ----------------------------------------------------------------------------------------------------------- mmpretrain


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tensor]:
    """Have NumPy and torch draw for mmpretrain what is told: a ratio, whole numbers, and a permutation."""

    def tell(share: float, *numbers: int) -> Tensor:
        rows, waiting = torch.randperm(N), iter(numbers)
        monkeypatch.setattr(np.random, 'beta', lambda *args: share)
        monkeypatch.setattr(np.random, 'randint', lambda *args, **kwargs: next(waiting))
        monkeypatch.setattr(torch, 'randperm', lambda count: rows)
        return rows

    return tell


def one_hot(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels, CLASSES)


def test_mixup_of_mmpretrain(batch: tuple[Tensor, Tensor], drawn: Callable[..., Tensor]) -> None:
    rows, scores = drawn(0.3), one_hot(batch[1])
    theirs = host.Mixup(alpha=1.0)(batch[0].clone(), scores)
    same(told(Mixup(alpha=1.0, partners=partners(rows)), 0.3)(batch[0], scores), theirs)


@pytest.mark.parametrize(('share', 'centre'), DRAWS)
@pytest.mark.parametrize('correct_lam', [True, False])
def test_cutmix_of_mmpretrain(
    batch: tuple[Tensor, Tensor],
    share: float,
    centre: tuple[int, int],
    correct_lam: bool,
    drawn: Callable[..., Tensor],
    monkeypatch: Any,
) -> None:
    rows, scores = drawn(share, *centre), one_hot(batch[1])
    args: dict[str, Any] = dict(alpha=1.0, correct_lam=correct_lam)
    theirs = host.CutMix(**args)(batch[0].clone(), scores)
    monkeypatch.setattr(kinds, 'random_centre', lambda *args: centre)
    same(told(CutMix(**args, partners=partners(rows)), share)(batch[0], scores), theirs)


def test_an_odd_box_keeps_its_size_here(
    batch: tuple[Tensor, Tensor], drawn: Callable[..., Tensor], monkeypatch: Any
) -> None:
    """With sides of 11 x 9 pixels mmpretrain pastes 10 x 8 of them; that is the one difference."""
    share, centre = 0.78, (12, 10)
    rows, scores = drawn(share, *centre), one_hot(batch[1])
    theirs = host.CutMix(alpha=1.0)(batch[0].clone(), scores)[0]
    monkeypatch.setattr(kinds, 'random_centre', lambda *args: centre)
    mix = told(CutMix(partners=partners(rows)), share).mix(batch[0], scores)
    fewer, more = theirs != batch[0], (mix.mask == 0).expand_as(theirs)
    assert int(more[0, 0].sum()) == 11 * 9
    moved = rows != torch.arange(N)
    assert fewer[moved].flatten(1).sum(1).eq(C * 10 * 8).all() and not (fewer & ~more).any()


@pytest.mark.parametrize('kind', ['CutMix', 'ResizeMix'])
@pytest.mark.parametrize('correct_lam', [True, False])
def test_minmax_of_mmpretrain(
    batch: tuple[Tensor, Tensor], kind: str, correct_lam: bool, drawn: Callable[..., Tensor], monkeypatch: Any
) -> None:
    sides, place = (9, 7), (3, 11)
    rows, scores = drawn(0.4, *sides, *place), one_hot(batch[1])
    args: dict[str, Any] = dict(alpha=1.0, cutmix_minmax=[0.2, 0.8], correct_lam=correct_lam)
    theirs = getattr(host, kind)(**args)(batch[0].clone(), scores)
    numbers = iter((*sides, *place))
    mixer = getattr(mmmix, kind)(**args, partners=partners(rows))
    monkeypatch.setattr(minmax.torch, 'randint', lambda *args: torch.tensor(next(numbers)))
    same(told(mixer, 0.4)(batch[0], scores), theirs)


@pytest.mark.parametrize(('share', 'centre'), DRAWS)
@pytest.mark.parametrize('correct_lam', [True, False])
def test_resizemix_of_mmpretrain(
    batch: tuple[Tensor, Tensor],
    share: float,
    centre: tuple[int, int],
    correct_lam: bool,
    drawn: Callable[..., Tensor],
    monkeypatch: Any,
) -> None:
    args: dict[str, Any] = dict(alpha=1.0, lam_min=0.1, lam_max=1.0, correct_lam=correct_lam)
    uniform = (share - 0.1) / 0.9
    rows, scores = drawn(uniform, *centre), one_hot(batch[1])
    theirs = host.ResizeMix(**args)(batch[0].clone(), scores)
    monkeypatch.setattr(kinds, 'random_centre', lambda *args: centre)
    monkeypatch.setattr('mmmix.mixers.resizemix.beta', lambda alpha, count, device: torch.full((count,), uniform))
    mixer = ResizeMix(**args, squeeze=True, partners=partners(rows))
    ours = mixer(batch[0], scores)
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours[1], theirs[1].float(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    'config',
    [
        dict(type='Mixup', alpha=0.8),
        dict(type='CutMix', alpha=1.0, cutmix_minmax=[0.2, 0.8], correct_lam=False),
        dict(type='ResizeMix', alpha=1.0, lam_min=0.1, lam_max=0.8, interpolation='bilinear', correct_lam=True),
    ],
)
def test_configs_of_mmpretrain_need_the_scope_alone(config: dict) -> None:
    assert isinstance(BATCH_AUGMENTS.build(dict(config, type=f'mmmix.{config["type"]}')), mmmix.Mixer)
    BATCH_AUGMENTS.build(dict(config))


def test_lam_range() -> None:
    for args, least, most in ((dict(lam_min=0.5), 0.5, 0.8), (dict(lam_max=0.3), 0.1, 0.3)):
        share = ResizeMix(**args).sample_share(4000, torch.device('cpu'))
        assert least <= float(share.min()) < least + 0.01 and most - 0.01 < float(share.max()) <= most
    with pytest.raises(ValueError, match='`lam_min` must be at most `lam_max`, but'):
        ResizeMix(lam_min=0.9)


def test_minmax_draws() -> None:
    """Sides are uniform in the range, whole boxes inside, in both modes; ``prob`` leaves images alone."""
    for mode in ('batch', 'elem'):
        mixer = CutMix(cutmix_minmax=(0.25, 0.75), lam_mode=mode, prob=0.7)
        seen, sides = [], []
        for _ in range(200):
            mask = mixer.mix(torch.rand(4, 1, 16, 12), torch.eye(4)).mask[:, 0] == 0
            for heights, widths in zip(mask.any(2).sum(1).tolist(), mask.any(1).sum(1).tolist(), strict=True):
                seen.append(heights > 0)
                sides += [(heights, widths)] if heights else []
        assert {side for side, _ in sides} == set(range(4, 12)) and {side for _, side in sides} == set(range(3, 9))
        assert 0.6 < sum(seen) / len(seen) < 0.8


@pytest.mark.parametrize('mode', ['batch', 'elem'])
@pytest.mark.parametrize('candidates', ['inside', 'clipped'])
def test_a_keep_moves_a_box_of_uniform_sides(mode: str, candidates: str) -> None:
    """It may fall where it spares what is important, and keeps the sides that were drawn."""
    images = torch.rand(6, 3, 20, 16)
    keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.SpectralResidual'), candidates=candidates)
    sides = []
    for args in (dict(), dict(keep=keep)):
        torch.manual_seed(4)
        mask = CutMix(cutmix_minmax=(0.3, 0.6), lam_mode=mode, **args).mix(images, torch.eye(6)).mask[:, 0] == 0
        sides.append((mask.any(2).sum(1).tolist(), mask.any(1).sum(1).tolist()))
    assert sides[0] == sides[1] and min(sides[0][0]) >= 6 and min(sides[0][1]) >= 4


def test_mixers_go_to_workers() -> None:
    """What needs no model can be pickled, for loaders that start their workers anew."""
    for mixer in (TimmMixup(num_classes=6), CutMix(partners=Roll(), num_classes=6), ResizeMix(num_classes=6)):
        again = pickle.loads(pickle.dumps(mixer))
        found = []
        for each in (mixer, again):
            torch.manual_seed(0)
            found.append(each(torch.arange(6 * 192.0).view(6, 3, 8, 8), torch.arange(6)))
        assert repr(again) == repr(mixer) and torch.equal(found[0][0], found[1][0])


def test_wrong_labels_are_a_policy() -> None:
    assert isinstance(CutMix(correct_lam=False).labels, DrawnShare) and CutMix().labels is None
    assert CutMix(correct_lam=False, cutmix_minmax=(0.2, 0.8)).labels is None
    with pytest.raises(ValueError, match=r'`correct_lam=False` is labels=DrawnShare\(\)'):
        CutMix(correct_lam=False, labels=mmmix.Area())
    with pytest.raises(ValueError, match='this mixer draws none'):
        mmmix.SmoothMix(labels=DrawnShare())(torch.rand(4, 3, 16, 16), torch.eye(4))


# ---------------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ('page', 'kinds_'),
    [
        ('from_torchvision.md', [v2.MixUp, v2.CutMix]),
        ('from_mmpretrain.md', [host.Mixup, host.CutMix, host.ResizeMix]),
    ],
)
def test_tables_have_every_argument(page: str, kinds_: list[type]) -> None:
    import inspect

    theirs = {name for kind in kinds_ for name in inspect.signature(kind.__init__).parameters} - {'self'}  # type: ignore
    shown = {name for row in rows_of(page) for name in re.findall(r'`(\w+)`', row[0])}
    assert theirs <= shown
