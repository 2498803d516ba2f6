"""Guides that look at the image alone, against slow references."""

import numpy as np
import pytest
import torch

from mmmix import (
    FineGrained,
    SpectralResidual,
)
from mmmix.ops.maps import spectral_residual

# -------------------------------------------------------------------------------------------------------- image guides


@pytest.mark.parametrize('size', [(16, 16), (17, 9), (32, 20)])
def test_spectral_residual_is_that_of_numpy(size: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).random(size)
    spectrum = np.fft.fft2(grey)
    log_amplitude = np.log(np.abs(spectrum))
    padded = np.pad(log_amplitude, 1, mode='edge')
    smooth = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            smooth[y, x] = padded[y : y + 3, x : x + 3].mean()
    expected = np.abs(np.fft.ifft2(np.exp(log_amplitude - smooth + 1j * np.angle(spectrum)))) ** 2
    found = spectral_residual(torch.from_numpy(grey).float()[None, None])[0, 0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-2, atol=1e-3 * expected.max())


def test_spectral_residual_finds_what_stands_out() -> None:
    torch.manual_seed(1)
    images = 0.1 * torch.rand(8, 3, 100, 80)
    corners = torch.randint(10, 60, (8, 2))
    for image, (top, left) in zip(images, corners.tolist(), strict=True):
        image[:, top : top + 10, left : left + 10] += 1
    maps = SpectralResidual()(images)
    assert maps.shape == (8, 1, 100, 80)
    for rated, (top, left) in zip(maps[:, 0], corners.tolist(), strict=True):
        y, x = divmod(int(rated.argmax()), 80)
        assert top - 6 <= y <= top + 16 and left - 6 <= x <= left + 16


def test_spectral_residual_does_not_peak_at_the_border() -> None:
    """Zeros lie around the map that is smoothed, as in the authors' code: of noise the corners are a third."""
    images = torch.randn(400, 3, 32, 32)
    mean = SpectralResidual()(images).mean((0, 1))
    inside = float(mean[8:24, 8:24].mean())
    assert float(mean[0, [0, -1]].mean()) == pytest.approx(0.34 * inside, rel=0.1)
    assert float(mean[0, 8:24].mean()) == pytest.approx(0.58 * inside, rel=0.1)
    edge = SpectralResidual(border='replicate')(images).mean((0, 1))
    assert float(edge[0, [0, -1]].mean()) == pytest.approx(float(edge[8:24, 8:24].mean()), rel=0.1)


def plain_fine_grained(image: np.ndarray, radii: tuple[int, ...]) -> np.ndarray:
    """What OpenCV's static fine-grained saliency does to one ``(3, H, W)`` image, in loops and without its rounding."""
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    height, width = grey.shape
    for _ in range(2):
        padded = np.pad(grey, 1, mode='reflect')
        rows = [padded[y] + 2 * padded[y + 1] + padded[y + 2] for y in range(height)]
        grey = np.array([[row[x] + 2 * row[x + 1] + row[x + 2] for x in range(width)] for row in rows]) / 16
    brighter, darker = np.zeros_like(grey), np.zeros_like(grey)
    for radius in radii:
        for y in range(height):
            for x in range(width):
                around = grey[max(y - radius + 1, 0) : y + radius + 1, max(x - radius + 1, 0) : x + radius + 1]
                response = grey[y, x] - (around.sum() - grey[y, x]) / (around.size - 1)
                brighter[y, x] += max(response, 0)
                darker[y, x] += max(-response, 0)
    return brighter / brighter.max() + darker / darker.max()


def test_fine_grained_is_that_of_plain_loops() -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 9, 7))
    found = FineGrained(radii=(2, 5))(torch.from_numpy(images).float())
    for image, rated in zip(images, found, strict=True):
        np.testing.assert_allclose(rated[0].numpy(), plain_fine_grained(image, (2, 5)), rtol=1e-4, atol=1e-5)


def test_fine_grained_does_not_see_the_scale_of_pixels() -> None:
    images = torch.rand(3, 3, 16, 20)
    torch.testing.assert_close(FineGrained()(images * 40 - 7), FineGrained()(images), rtol=1e-3, atol=1e-4)
    assert float(FineGrained()(torch.full((1, 3, 16, 16), 0.3)).max()) == 0, 'nothing stands out of a flat image'


@pytest.mark.parametrize('guide', [SpectralResidual(), FineGrained()], ids=repr)
def test_image_guides_take_what_comes(guide) -> None:
    for shape in ((1, 1, 8, 8), (2, 3, 33, 70), (2, 4, 5, 3), (2, 3, 1, 6), (2, 3, 6, 1), (1, 3, 1, 1)):
        for dtype in (torch.float32, torch.float16):
            maps = guide(torch.rand(shape).to(dtype))
            assert maps.shape == (shape[0], 1, *shape[2:]) and maps.dtype == torch.float32
            assert bool(torch.isfinite(maps).all()) and float(maps.min()) >= 0
    flat = guide(torch.full((1, 3, 16, 16), 3.0))
    assert bool(torch.isfinite(flat).all())
    images = torch.rand(4, 3, 20, 24)
    torch.testing.assert_close(guide(images)[2:3], guide(images[2:3]))
