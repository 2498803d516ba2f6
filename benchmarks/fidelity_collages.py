"""The laws of mixers that put whole images, or crops, into parts of one; see ``fidelity_laws.py``."""

import numpy as np
from fidelity_laws import Array, Drawn, Law, cut, of_masks


def quarters(rng: np.random.Generator, images: Array, down: list[int], across: list[int]) -> Drawn:
    """Four around a point: the own image at the top left, and wherever a permutation leads back to it."""
    height, width = images.shape[2:]
    orders = [np.arange(len(images)), *(rng.permutation(len(images)) for _ in range(3))]
    masks = []
    for i in range(len(images)):
        mask = np.zeros((height, width))
        for quarter, order in enumerate(orders):
            rows = slice(down[i], None) if quarter > 1 else slice(None, down[i])
            columns = slice(across[i], None) if quarter % 2 else slice(None, across[i])
            mask[rows, columns] = order[i] == i
        masks.append(mask)
    return of_masks(masks)


def ricap(beta: float) -> Law:
    """The point by Beta shares of both sides, rounded."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        sides = [[int(np.round(size * rng.beta(beta, beta))) for _ in images] for size in images.shape[2:]]
        return quarters(rng, images, *sides)

    return law


def mosaic(low: float, high: float) -> Law:
    """The point by uniform shares of both sides, rounded."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        sides = [[int(np.round(size * rng.uniform(low, high))) for _ in images] for size in images.shape[2:]]
        return quarters(rng, images, *sides)

    return law


def cutthumbnail(size: float) -> Law:
    """A box of one size anywhere inside the image."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            high, wide = int(size * height), int(size * width)
            top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
            masks.append(cut(height, width, (top, top + high, left, left + wide)))
        return of_masks(masks)

    return law
