"""PixMix: its mixing operations beside slow ones, its weights, and the fractals that it mixes with."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from mmmix import PixMix
from mmmix.datasets.fractals import fractals, kept_fractals
from mmmix.datasets.transforms import pixmix as module

SMALL = dict(count=8, size=16)


def image(seed: int = 0, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (24, 20, 3), dtype=np.uint8)


# ----------------------------------------------------------------------------------------------------------- the mixing


def test_both_blends_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mixed, other = rng.random(2)
        own, weight = rng.uniform(0, 2), rng.uniform(-1, 1)
        a, b = (np.array([each], np.float32) for each in (mixed, other))
        assert float(module.added(a, b, own, weight)[0]) == pytest.approx(
            ((own * (2 * mixed - 1) + weight * (2 * other - 1)) + 1) / 2, abs=1e-5
        )
        assert float(module.multiplied(a, b, own, weight)[0]) == pytest.approx(
            (2 * mixed) ** own * (2 * other) ** weight / 2, rel=1e-4
        )


def test_black_pixels_are_no_nan() -> None:
    black = np.zeros((2, 2), np.float32)
    for weight in (-1.0, -0.5, 0.0, 0.5):
        assert np.isfinite(module.multiplied(black, black, 1.0, weight).clip(0, 1)).all()


def test_weights_are_of_their_law() -> None:
    """Half of the pairs are Beta(3, 1) and Beta(1, 3), the others 1 and 0 beyond them by Beta(1, 3)."""
    torch.manual_seed(0)
    transform = PixMix(**SMALL, beta=3.0)
    pairs = np.array([transform.weights() for _ in range(4000)])
    inside = pairs[:, 1] >= 0
    assert inside.mean() == pytest.approx(0.5, abs=0.03)
    assert pairs[inside, 0].mean() == pytest.approx(3 / 4, abs=0.01)
    assert pairs[inside, 1].mean() == pytest.approx(1 / 4, abs=0.01)
    assert pairs[~inside, 0].mean() == pytest.approx(5 / 4, abs=0.01)
    assert pairs[~inside, 1].mean() == pytest.approx(-1 / 4, abs=0.01)
    assert pairs[inside, 0].std() == pytest.approx((3 / 80) ** 0.5, abs=0.01)
    assert abs(np.corrcoef(pairs[inside].T)[0, 1]) < 0.06


def test_rounds_and_what_is_mixed_in() -> None:
    """0 to k rounds alike, half of them with the picture; the start is a changed image in half of the cases."""
    torch.manual_seed(0)
    transform = PixMix(**SMALL, k=4)
    transform.operations = [lambda picture, level: Image.new('RGB', picture.size, (255, 255, 255))]
    heard: list[float] = []
    rounds, starts = [], []

    def listen(mixed: np.ndarray, other: np.ndarray, own: float, weight: float) -> np.ndarray:
        if not heard:
            starts.append(float(mixed.max()))
        heard.append(float(other.max()))
        return mixed

    kept = module.added, module.multiplied
    others = []
    try:
        module.added = module.multiplied = listen
        for _ in range(2000):
            heard.clear()
            transform.mixed(np.full((4, 4, 3), 51, np.uint8), np.full((4, 4, 3), 0.5, np.float32))
            rounds.append(len(heard))
            others += heard
    finally:
        module.added, module.multiplied = kept
    assert np.bincount(rounds) == pytest.approx(np.full(5, 400), abs=80)
    assert set(others) == {0.5, 1.0} and np.mean(np.array(others) == 0.5) == pytest.approx(0.5, abs=0.03)
    assert np.mean(np.array(starts) == 1.0) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize('shape', [(24, 20, 3), (9, 30, 3), (16, 16, 1), (16, 16), (70, 64, 3)])
def test_any_size_and_the_label_stay(shape: tuple[int, ...]) -> None:
    clean = image(1, *shape)
    before = clean.copy()
    transform = TRANSFORMS.build(dict(type='mmmix.PixMix', **SMALL))
    drawn = []
    for seed in (0, 0, 1, 2):
        torch.manual_seed(seed)
        out = transform(dict(img=clean, gt_label=3))
        assert out['img'].shape == shape and out['img'].dtype == np.uint8 and out['gt_label'] == 3
        drawn.append(out['img'])
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(clean, before)
    assert not all(np.array_equal(drawn[0], each) for each in drawn)
    picture = transform.picture(clean)
    assert picture.shape == shape and 0 <= picture.min() <= picture.max() <= 1


def test_no_rounds_without_a_start_leave_the_image() -> None:
    transform = PixMix(**SMALL, k=0)
    transform.operations = [lambda picture, level: picture]
    assert np.array_equal(transform(dict(img=image()))['img'], image())


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    Image.new('RGB', (50, 40), (255, 0, 0)).save(tmp_path / 'in' / 'red.PNG')
    Image.new('L', (10, 90), 255).save(tmp_path / 'white.jpg')
    (tmp_path / 'notes.txt').write_text('nothing')
    transform = PixMix(folder=str(tmp_path))
    torch.manual_seed(0)
    seen = {tuple(transform.picture(image())[0, 0].round(1).tolist()) for _ in range(30)}
    assert seen == {(1.0, 0.0, 0.0), (1.0, 1.0, 1.0)}
    with pytest.raises(ValueError, match=r'PixMix: there are no pictures .* name another `folder`'):
        PixMix(folder=str(tmp_path / 'none'))


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (dict(k=-1), '`k` must be a whole number of at least 0'),
        (dict(beta=0), '`beta` must be a number above 0'),
        (dict(size=4), '`size` must be a whole number of at least 8'),
        (dict(folder=''), '`folder` must be a path'),
    ],
)
def test_bad_arguments_are_refused(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PixMix(**{**SMALL, **args})


def test_boxes_and_floats_are_refused() -> None:
    with pytest.raises(ValueError, match='move pixels but not `gt_bboxes`'):
        PixMix(**SMALL)(dict(img=image(), gt_bboxes=np.zeros((1, 4))))
    with pytest.raises(TypeError, match='images of bytes'):
        PixMix(**SMALL)(dict(img=image().astype(np.float32)))


# --------------------------------------------------------------------------------------------------------- the fractals


def test_fractals_are_the_same_by_seed_and_however_many() -> None:
    state = torch.get_rng_state()
    few, many, others = fractals(3, 16), fractals(70, 16), fractals(3, 16, seed=1)
    assert torch.equal(torch.get_rng_state(), state), 'the global generator is left alone'
    assert few.shape == (3, 16, 16, 3) and few.dtype == np.uint8
    assert np.array_equal(few, many[:3]) and not np.array_equal(few, others)
    assert not np.array_equal(many[:6], many[64:70])


def test_fractals_are_pictures_of_structure() -> None:
    """Neither blank nor noise: most differ from their ground somewhere, and neighbours are alike."""
    drawn = fractals(64, 32).astype(float)
    spread = drawn.std((1, 2)).mean(1)
    assert (spread > 8).mean() > 0.9
    step = np.abs(np.diff(drawn, axis=1)).mean()
    shuffled = np.random.default_rng(0).permuted(drawn.reshape(64, -1, 3), axis=1).reshape(drawn.shape)
    assert step < 0.8 * np.abs(np.diff(shuffled, axis=1)).mean()
    assert len({picture.tobytes() for picture in drawn}) == 64


def test_fractals_are_kept_in_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'deep' / 'fractals'
    transform = PixMix(**SMALL, cache=str(folder))
    assert not folder.exists(), 'they are drawn when the first image comes'
    transform(dict(img=image()))
    transform.picture(image())
    assert [path.name for path in folder.iterdir()] == ['fractals_8_16_0.npy']
    kept_fractals.cache_clear()
    monkeypatch.setattr('mmmix.datasets.fractals.fractals', None)
    assert np.array_equal(kept_fractals(8, 16, 0, str(folder)), np.load(next(folder.iterdir())))
    os.remove(next(folder.iterdir()))
    kept_fractals.cache_clear()
