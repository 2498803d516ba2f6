"""The authors' laws, written anew from papers and code: slow, in NumPy and plain loops, one image at a time.

Each law takes a generator, a batch of images and a map of importance for each of them, and gives what was drawn for
every image: the own label's share and the own mask. ``benchmarks/fidelity.py`` and the tests hold the mixers against
them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Drawn(NamedTuple):
    """What a law, or a mixer, drew for a batch.

    Attributes:
        lam (Array): ``(N,)`` share of the own label.
        mask (Array): ``(N, H, W)`` share of each own pixel.
    """

    lam: Array
    mask: Array


Law = Callable[[np.random.Generator, Array, Array], Drawn]


def of_masks(masks: list[Array], label: str = 'area') -> Drawn:
    """The label is the area in the mask, or stays."""
    mask = np.stack(masks).astype(float)
    return Drawn(mask.mean((1, 2)) if label == 'area' else np.ones(len(mask)), mask)


def cut(height: int, width: int, box: tuple[int, int, int, int]) -> Array:
    """A mask with a hole."""
    mask = np.ones((height, width))
    top, bottom, left, right = box
    mask[top:bottom, left:right] = 0
    return mask


def clipped_box(cy: int, cx: int, rows: int, columns: int, height: int, width: int) -> tuple[int, int, int, int]:
    """CutMix's box: half of each side, rounded down, in both directions from the centre."""
    top, bottom = np.clip([cy - rows // 2, cy + rows // 2], 0, height)
    left, right = np.clip([cx - columns // 2, cx + columns // 2], 0, width)
    return int(top), int(bottom), int(left), int(right)


# ------------------------------------------------------------------------------------------------------------- mixtures


def mixup(alpha: float) -> Law:
    """One share everywhere."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        share = rng.beta(alpha, alpha, len(images))
        return Drawn(share, np.ones((len(images), *images.shape[2:])) * share[:, None, None])

    return law


def smoothmix(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
    """The partner's share is a Gaussian around a uniform centre, sigma between a quarter and half of the side."""
    height, width = images.shape[2:]
    masks = []
    for _ in images:
        cy, cx, sigma = rng.random() * height, rng.random() * width, (0.25 + 0.25 * rng.random()) * height
        y, x = np.mgrid[:height, :width] + 0.5
        masks.append(1 - np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)))
    return of_masks(masks)


# ---------------------------------------------------------------------------------------------------------------- boxes


def cutmix(alpha: float) -> Law:
    """A box of the partner around a uniform centre, clipped."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            side = math.sqrt(1 - rng.beta(alpha, alpha))
            centre = int(rng.integers(height)), int(rng.integers(width))
            masks.append(cut(height, width, clipped_box(*centre, int(side * height), int(side * width), height, width)))
        return of_masks(masks)

    return law


def saliencymix(alpha: float) -> Law:
    """CutMix's box around the peak of the partner's map."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for partner in rng.permutation(len(images)):
            side = math.sqrt(1 - rng.beta(alpha, alpha))
            cy, cx = divmod(int(maps[partner].argmax()), width)
            masks.append(cut(height, width, clipped_box(cy, cx, int(side * height), int(side * width), height, width)))
        return of_masks(masks)

    return law


def resizemix(low: float, high: float) -> Law:
    """The whole partner at ``tau`` times its sides, rounded down, shifted inside the image."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            tau = rng.uniform(low, high)
            box = []
            for size in (height, width):
                side = int(tau * size)
                first = np.clip(int(rng.integers(size)) - side // 2, 0, size)
                beyond = np.clip(first + side, 0, size)
                box += [int(beyond - side), int(beyond)]
            masks.append(cut(height, width, (box[0], box[1], box[2], box[3])))
        return of_masks(masks)

    return law


def recursivemix(most: float) -> Law:
    """CutMix's box with an area uniform below ``most``; the label is the area."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            side = math.sqrt(rng.uniform(0, most))
            centre = int(rng.integers(height)), int(rng.integers(width))
            masks.append(cut(height, width, clipped_box(*centre, int(side * height), int(side * width), height, width)))
        return of_masks(masks)

    return law


def snapmix(alpha: float) -> Law:
    """Two boxes; the own label loses what its map has in the first, pairs of one class aside."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        shares, masks = [], []
        for i in range(len(images)):
            boxes = []
            for _ in range(2):
                side = math.sqrt(1 - rng.beta(alpha, alpha))
                centre = int(rng.integers(height)), int(rng.integers(width))
                boxes.append(clipped_box(*centre, int(side * height), int(side * width), height, width))
            if any((bottom - top) * (right - left) == 0 for top, bottom, left, right in boxes):
                boxes[0] = 0, 0, 0, 0
            mask = cut(height, width, boxes[0])
            masks.append(mask)
            shares.append((maps[i] * mask).sum() / maps[i].sum())
        return Drawn(np.array(shares), np.stack(masks))

    return law


def cutout(length: int) -> Law:
    """A square around a uniform centre, clipped; the label stays."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        centres = [(int(rng.integers(height)), int(rng.integers(width))) for _ in images]
        return of_masks([cut(height, width, clipped_box(*c, length, length, height, width)) for c in centres], 'stays')

    return law


def random_erasing(low: float, high: float, ratio: float) -> Law:
    """A whole box of uniform area and uniform ratio of its sides, drawn again while it does not fit."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            mask = np.ones((height, width))
            for _ in range(100):
                area, aspect = rng.uniform(low, high) * height * width, rng.uniform(ratio, 1 / ratio)
                rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
                if rows < height and columns < width:
                    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
                    mask = cut(height, width, (top, top + rows, left, left + columns))
                    break
            masks.append(mask)
        return of_masks(masks, 'stays')

    return law


# -------------------------------------------------------------------------------------------------------- grids, fields


def gridmask(low: int, high: int, ratio: float) -> Law:
    """A picture of stripes that stay, turned by whole degrees, its middle cut out; the upper end is excluded."""
    from PIL import Image

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        side = math.ceil(math.hypot(height, width))
        masks = []
        for _ in images:
            unit = int(rng.integers(low, high))
            stripe = math.ceil(unit * ratio)
            shifts = rng.integers(unit, size=2)
            place = np.arange(side)
            rows, columns = ((place - shift) % unit < stripe for shift in shifts)
            holes = (~(rows[:, None] | columns[None])).astype(np.uint8)
            turned = np.asarray(Image.fromarray(holes).rotate(int(rng.integers(360))))
            top, left = (side - height) // 2, (side - width) // 2
            masks.append(1 - turned[top : top + height, left : left + width])
        return of_masks(masks, 'stays')

    return law


def fmix(alpha: float, decay: float = 3.0, rows_for_parts: bool = True) -> Law:
    """The highest pixels of a low-frequency field; the code takes rows of its noise for real and imaginary parts.

    Args:
        alpha (float): Of the Beta law.
        decay (float): How fast high frequencies fade. Defaults to 3.0.
        rows_for_parts (bool): As the code has it; otherwise as the paper, the real part of a full transform. Defaults
            to True.
    """

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        half = width // 2 + 1 + width % 2
        across = np.fft.fftfreq(width)[:half] if rows_for_parts else np.fft.fftfreq(width)
        frequency = np.maximum(np.hypot(np.fft.fftfreq(height)[:, None], across), 1 / max(height, width)) ** decay
        masks = []
        for _ in images:
            noise = rng.standard_normal((*frequency.shape, 2)) / frequency[..., None]
            if rows_for_parts:
                field = np.fft.irfft(np.fft.ifft(noise[0] + 1j * noise[1], n=height, axis=0), n=width, axis=1)
            else:
                field = np.fft.ifft2(noise[..., 0] + 1j * noise[..., 1]).real
            share = rng.beta(alpha, alpha) * field.size
            count = math.ceil(share) if rng.random() > 0.5 else math.floor(share)
            mask = np.zeros(field.size)
            mask[field.ravel().argsort()[::-1][:count]] = 1
            masks.append(mask.reshape(field.shape))
        return of_masks(masks)

    return law


def maskmix(cell: int, alpha: float = 1.0) -> Law:
    """Whole cells, as many as the share says, rounded up; the label is their part of all cells."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        side = math.ceil(max(height, width) / cell)
        shares, masks = [], []
        for _ in images:
            count = math.ceil(side**2 * rng.beta(alpha, alpha))
            cells = np.zeros(side**2)
            cells[rng.permutation(side**2)[:count]] = 1
            shares.append(count / side**2)
            masks.append(cells.reshape(side, side).repeat(cell, 0).repeat(cell, 1)[:height, :width])
        return Drawn(np.array(shares), np.stack(masks))

    return law
