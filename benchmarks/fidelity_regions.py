"""The laws of cells, tokens, windows and important regions, written anew: slow, one image at a time.

See :mod:`fidelity_laws` for the others and for what a law is.
"""

import math
from collections.abc import Callable

import numpy as np
from fidelity_laws import Array, Drawn, Law, cut, of_masks

Box = tuple[int, int, int, int]
#: From a generator, the rated image and the sides of the picture to a box.
Placed = Callable[[np.random.Generator, Array], Box]


def cells_of(rated: Array, grid: int) -> Array:
    """The mean of each of ``grid x grid`` cells that the grid divides exactly."""
    height, width = rated.shape
    return rated.reshape(grid, height // grid, grid, width // grid).mean((1, 3))


def on_pixels(cells: Array, height: int, width: int) -> Array:
    """Cells spread over the pixels of an image that the grid divides exactly."""
    return cells.repeat(height // cells.shape[0], 0).repeat(width // cells.shape[1], 1)


# ---------------------------------------------------------------------------------------------------------------- cells


def gridholes(holes: tuple[int, int], area: tuple[float, float], aspect: tuple[float, float]) -> Law:
    """Holes at the corners of square patches, in a box anywhere; the loops go over the holes."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for _ in images:
            ratio, shape, count = rng.uniform(*area), rng.uniform(*aspect), int(rng.integers(holes[0], holes[1] + 1))
            wide = int(math.sqrt(height * width * ratio / shape))
            high = min(int(wide * shape), height)
            wide = min(wide, width)
            left, top = int((width - wide) * rng.random()), int((height - high) * rng.random())
            patch = math.ceil(wide / count)
            side = min(max(int(patch * math.sqrt(1 - rng.random())), 1), patch - 1)
            mask = np.ones((height, width))
            for y in range(0, high, patch):
                for x in range(0, wide, patch):
                    below, right = top + min(y + side, high), left + min(x + side, wide)
                    mask[top + y : below, left + x : right] = 0
            masks.append(mask)
        return of_masks(masks)

    return law


def gridmix(grid: int, alpha: float = 1.0) -> Law:
    """A chessboard whose cells stay with the probability of the drawn share."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        shares = rng.beta(alpha, alpha, len(images))
        return of_masks([on_pixels(rng.random((grid, grid)) < share, *images.shape[2:]) for share in shares])

    return law


def saliency_grafting(grid: int, temperature: float = 1.0) -> Law:
    """Cells stay by chance, the best one for sure; the label is what is left of both maps in the Euclidean norm."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        rated = [cells_of(each, grid) for each in maps]
        rated = [each / each.sum() for each in rated]
        shares, masks = [], []
        for own, partner in zip(rated, rng.permutation(len(images)), strict=True):
            chance = np.exp(own * grid**2 / temperature)
            stays = rng.random((grid, grid)) < chance / chance.max()
            mine, theirs = (np.sqrt(sum(p**2 for p in each)) for each in (own[stays], rated[partner][~stays]))
            shares.append(mine / (mine + theirs))
            masks.append(on_pixels(stays, *images.shape[2:]))
        return Drawn(np.array(shares), np.stack(masks).astype(float))

    return law


# --------------------------------------------------------------------------------------------------------------- tokens


def blocks(rng: np.random.Generator, grid: int, wanted: int, least: int = 1, aspect: float = 0.3) -> Array:
    """Blocks of tokens are taken until enough are gone, or ten tries in a row add none: True where one stays."""
    stays = np.ones((grid, grid), bool)
    missing = wanted
    while missing > 0:
        for _ in range(10):
            area = rng.uniform(least, missing)
            ratio = math.exp(rng.uniform(math.log(aspect), -math.log(aspect)))
            rows, columns = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if rows >= grid or columns >= grid:
                continue
            top, left = int(rng.integers(grid - rows + 1)), int(rng.integers(grid - columns + 1))
            block = stays[top : top + rows, left : left + columns]
            taken = int(block.sum())
            if 0 < taken <= missing:
                block[:] = False
                missing -= taken
                break
        else:
            break
    return stays


def tokenmix(grid: int, extra: int = 14, share: float = 0.5) -> Law:
    """The blocks and the label of the authors' code, which adds both importances up; here they are divided by it."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        rated = [cells_of(each, grid) for each in maps]
        rated = [each / each.sum() for each in rated]
        shares, masks = [], []
        for own, partner in zip(rated, rng.permutation(len(images)), strict=True):
            stays = blocks(rng, grid, min(grid**2, int((1 - share) * grid**2) + extra))
            mine, theirs = own[stays].sum(), rated[partner][~stays].sum()
            shares.append(mine / (mine + theirs))
            masks.append(on_pixels(stays, *images.shape[2:]))
        return Drawn(np.array(shares), np.stack(masks).astype(float))

    return law


def mergemix(grid: int) -> Law:
    """Of a grid of patches as many of the most important as a uniform share has, rounded down."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        side = images.shape[2] // grid
        masks = []
        for rated in maps:
            patches = rated.reshape(grid, side, grid, side).mean((1, 3)).ravel()
            kept = np.zeros(grid**2)
            kept[patches.argsort()[::-1][: int(rng.beta(1.0, 1.0) * grid**2)]] = 1
            masks.append(kept.reshape(grid, grid).repeat(side, 0).repeat(side, 1))
        return of_masks(masks)

    return law


def smmix(grid: int, low: float = 0.25, high: float = 0.75) -> Law:
    """The least important window of tokens goes, its side uniform between both shares of the grid."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        masks = []
        for rated in maps:
            cells, side = cells_of(rated, grid), int(rng.integers(int(low * grid), int(high * grid) + 1))
            places = [(y, x) for y in range(grid - side + 1) for x in range(grid - side + 1)]
            y, x = min(places, key=lambda p: cells[p[0] : p[0] + side, p[1] : p[1] + side].sum())
            masks.append(on_pixels(cut(grid, grid, (y, y + side, x, x + side)), *images.shape[2:]))
        return of_masks(masks)

    return law


# ---------------------------------------------------------------------------------------------------------- KeepAugment


def rated_places(rated: Array, boxes: list[Box]) -> Array:
    """The importance of each region: the sum of what lies in it."""
    return np.array([rated[top:bottom, left:right].sum() for top, bottom, left, right in boxes])


def spared(rng: np.random.Generator, rated: Array, boxes: list[Box], tau: float, below: bool = True) -> Box:
    """A place is drawn until its importance lies on the right side of the ``tau``-quantile of all of them."""
    sums = rated_places(rated, boxes)
    threshold = np.quantile(sums, tau, method='lower' if below else 'higher')
    while True:
        at = int(rng.integers(len(boxes)))
        if sums[at] <= threshold if below else sums[at] >= threshold:
            return boxes[at]


def whole_boxes(rows: int, columns: int, height: int, width: int) -> list[Box]:
    """All places of a whole box inside the image."""
    tops, lefts = range(height - rows + 1), range(width - columns + 1)
    return [(top, top + rows, left, left + columns) for top in tops for left in lefts]


def any_boxes(rows: int, columns: int, height: int, width: int) -> list[Box]:
    """A box around every pixel, clipped at the border."""
    return [clipped(y, x, rows, columns, height, width) for y in range(height) for x in range(width)]


def clipped(y: int, x: int, rows: int, columns: int, height: int, width: int) -> Box:
    """A box around a pixel, of exactly these sides before it is clipped."""
    top, left = y - rows // 2, x - columns // 2
    return max(top, 0), min(top + rows, height), max(left, 0), min(left + columns, width)


def anywhere(rng: np.random.Generator, rated: Array, rows: int, columns: int, tau: float) -> Box:
    """A region of the base method itself: around any pixel, and clipped."""
    return spared(rng, rated, any_boxes(rows, columns, *rated.shape), tau)


def inside(rng: np.random.Generator, rated: Array, rows: int, columns: int, tau: float) -> Box:
    """A whole region of the size that the base method's box has once it was clipped; at the border if it was."""
    height, width = rated.shape
    box = clipped(int(rng.integers(height)), int(rng.integers(width)), rows, columns, height, width)
    high, wide = box[1] - box[0], box[3] - box[2]
    if high * wide == 0:
        return box
    places = whole_boxes(high, wide, height, width)
    sums = rated_places(rated, places)
    threshold = np.quantile(sums, tau, method='lower')
    allowed = [place for place, loss in zip(places, sums, strict=True) if loss <= threshold]
    at_border = [
        place
        for place in allowed
        if (high == rows or place[0] == 0 or place[1] == height)
        and (wide == columns or place[2] == 0 or place[3] == width)
    ]
    choice = at_border or allowed
    return choice[int(rng.integers(len(choice)))]


def keep_cut(
    place: Callable[[np.random.Generator, Array, int, int, float], Box],
    side_of: Callable[[np.random.Generator], float],
    label: str,
    tau: float = 0.6,
) -> Law:
    """A square of the base method, as a part of each side of the image, cut where nothing important is lost.

    Args:
        place (Callable): One of both readings of what a candidate is.
        side_of (Callable): Draws the side of the box, as a part of the image's.
        label (str): Whether the label follows the area, or stays.
        tau (float): The quantile. Defaults to 0.6.
    """

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for rated in maps:
            side = side_of(rng)
            box = place(rng, rated, int(side * height), int(side * width), tau)
            masks.append(cut(height, width, box))
        return of_masks(masks, label)

    return law


def keep_erasing(low: float, high: float, ratio: float, tau: float = 0.6) -> Law:
    """Random erasing's box, of a uniform area and a log-uniform ratio, among its whole places."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        masks = []
        for rated in maps:
            rows, columns = height, width
            while rows >= height or columns >= width:
                area = rng.uniform(low, high) * height * width
                aspect = math.exp(rng.uniform(math.log(ratio), -math.log(ratio)))
                rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            places = whole_boxes(rows, columns, height, width)
            masks.append(cut(height, width, spared(rng, rated, places, tau)))
        return of_masks(masks, 'stays')

    return law


def keep_paste(length: int, tau: float = 0.6) -> Law:
    """A whole square among the important ones comes from the clean view; the label stays."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        height, width = images.shape[2:]
        places = whole_boxes(length, length, height, width)
        return of_masks([cut(height, width, spared(rng, rated, places, tau, below=False)) for rated in maps], 'stays')

    return law
