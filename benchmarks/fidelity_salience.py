"""The authors' laws that follow salience, written anew from papers and code: slow, one image at a time.

See :mod:`fidelity_laws` for the others and for what a law is.
"""

import math
from itertools import product

import numpy as np
from fidelity_laws import Array, Drawn, Law, of_masks
from scipy.ndimage import convolve1d
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

# ------------------------------------------------------------------------------------------------------------- salience


def residual_map(image: Array, blurs: int = 2) -> Array:
    """GuidedMixup's spectral residual of one image: luma, amplitude not squared, blurred twice, of sum 1."""
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    waves = np.fft.fft2(grey)
    amplitude = np.sqrt(np.abs(waves) ** 2 + 1e-10)
    mean = np.ones(3) / 3
    smooth = convolve1d(convolve1d(np.log(amplitude), mean, 0, mode='nearest'), mean, 1, mode='nearest')
    found = np.abs(np.fft.ifft2(waves / amplitude * np.exp(np.log(amplitude) - smooth)))
    for _ in range(blurs):
        found = blurred(found)
    return found / found.sum()


def blurred(rated: Array) -> Array:
    """GuidedMixup's Gaussian: 7 pixels, sigma 3, mirrored at the border."""
    bell = np.exp(-((np.arange(-3, 4) / 3.0) ** 2) / 2)
    for axis in (0, 1):
        rated = convolve1d(rated, bell / bell.sum(), axis, mode='mirror')
    return rated


def farthest_cycle(rated: Array) -> Array:
    """From the pair of maps that lie farthest apart a cycle goes on to the farthest one left, ``(N,)``."""
    flat = rated.reshape(len(rated), -1)
    distance = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(2))
    row, column = divmod(int(distance.argmax()), len(rated))
    first, partner = row, np.zeros(len(rated), int)
    partner[row] = column
    distance[:, row] = 0
    for _ in range(len(rated) - 2):
        row, column = column, int(distance[column].argmax())
        partner[row] = column
        distance[:, row] = 0
    partner[column] = first
    return partner


def guidedmixup(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
    """Pixels are shared by the salience of both partners of the farthest cycle."""
    rated = np.stack([residual_map(image) for image in images])
    return of_masks(list(rated / (rated + rated[farthest_cycle(rated)])))


def attentivemix(top: int, grid: int) -> Law:
    """The ``top`` cells with the most importance."""

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        side = images.shape[2] // grid
        masks = []
        for rated in maps:
            cells = rated.reshape(grid, side, grid, side).mean((1, 3)).ravel()
            kept = np.zeros(grid**2)
            kept[cells.argsort()[::-1][:top]] = 1
            masks.append(kept.reshape(grid, grid).repeat(side, 0).repeat(side, 1))
        return of_masks(masks)

    return law


def fine_grained(image: Array, radii: tuple[int, ...] = (12, 24, 48, 28, 56, 112)) -> Array:
    """OpenCV's static fine-grained saliency of one image, without its rounding, pixel by pixel."""
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    for _ in range(2):
        for axis in (0, 1):
            grey = convolve1d(grey, np.array([1, 2, 1]) / 4, axis, mode='mirror')
    brighter, darker = np.zeros_like(grey), np.zeros_like(grey)
    for radius, y, x in product(radii, range(grey.shape[0]), range(grey.shape[1])):
        around = grey[max(y - radius + 1, 0) : y + radius + 1, max(x - radius + 1, 0) : x + radius + 1]
        response = grey[y, x] - (around.sum() - grey[y, x]) / (around.size - 1)
        brighter[y, x] += max(response, 0)
        darker[y, x] += max(-response, 0)
    return brighter / brighter.max() + darker / darker.max()


# ------------------------------------------------------------------------------------------------------------ PuzzleMix


def least_cut(unary: Array, down: Array, right: Array) -> Array:
    """The labelling of least energy ``sum unary + sum weight * (share - share') ** 2``, by a maximum flow.

    Args:
        unary (Array): ``(L, n, n)``.
        down (Array): ``(n - 1, n)`` weights, at least 0.
        right (Array): ``(n, n - 1)`` weights, at least 0.

    Returns:
        Array: ``(n, n)`` own shares ``0, 1 / (L - 1), ..., 1``.
    """
    steps, n = unary.shape[0] - 1, unary.shape[1]
    source, sink = n * n * steps, n * n * steps + 1
    edges: dict[tuple[int, int], int] = {}

    def connect(start: int, end: int, capacity: float) -> None:
        edges[start, end] = edges.get((start, end), 0) + round(capacity * 10**6)

    for y, x in product(range(n), range(n)):
        costs = unary[:, y, x] - unary[:, y, x].min()
        chain = [source, *((y * n + x) * steps + step for step in range(steps)), sink]
        for label in range(steps + 1):
            connect(chain[label], chain[label + 1], costs[label])
            if 0 < label < steps:
                connect(chain[label + 1], chain[label], 1000)
    pairs = [(y * n + x, (y + 1) * n + x, down[y, x]) for y in range(n - 1) for x in range(n)]
    pairs += [(y * n + x, y * n + x + 1, right[y, x]) for y in range(n) for x in range(n - 1)]
    for one, other, weight in pairs:
        # The square of k steps is 1, 2, 2, ... over the pairs of steps that lie between.
        for a, b in product(range(steps), range(steps)):
            if a >= b:
                for start, end in ((one, other), (other, one)):
                    connect(start * steps + a, end * steps + b, weight / steps**2 * (1 if a == b else 2))
    rows, columns = zip(*edges, strict=True)
    capacity = csr_matrix((np.array(list(edges.values()), np.int32), (rows, columns)), shape=(sink + 1, sink + 1))
    left_over = capacity - maximum_flow(capacity, source, sink).flow
    left_over.data = np.maximum(left_over.data, 0)
    left_over.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(left_over, source, return_predecessors=False)] = True
    return reached[:-2].reshape(n, n, steps).sum(2) / steps


def puzzle_problem(own: Array, other: Array, mine: Array, theirs: Array, share: float, n: int) -> list[Array]:
    """Puzzle Mix's energy for one pair, pixels in [0, 1], with its default weights: unary, down and right."""
    size = own.shape[1] // n
    pool = min(4, size)
    k = size // pool
    weight, eta = 1.2 / n / 16, 0.2 / n**2
    loses = [maps.reshape(n, size, n, size).mean((1, 3)) for maps in (mine, theirs)]
    loses = [maps / maps.sum() for maps in loses]
    pooled = [image.reshape(len(image), n * k, pool, n * k, pool).mean((2, 4)) for image in (other, own)]
    links = []
    for axis in (0, 1):
        images = pooled if axis == 0 else [image.transpose(0, 2, 1) for image in pooled]
        sides = [[np.abs(a[:, k - 1 : -1 : k] - b[:, k::k]).mean(0).reshape(n - 1, n, k).mean(2) for b in images]
                 for a in images]  # fmt: skip
        seam = 0.5 * weight * np.array(sides)
        for image in (0, 1):
            lost = loses[0] if image == 0 else loses[1]
            lost = lost if axis == 0 else lost.T
            lost[:-1] += seam[image].mean(0)
            lost[1:] += seam[:, image].mean(0)
        mixed = (seam[1, 0] + seam[0, 1] - seam[1, 1] - seam[0, 0]) / 2 + weight
        links.append(mixed if axis == 0 else mixed.T)
    prior = [-math.log(p + 1e-8) for p in ((1 - share) ** 2, 2 * share * (1 - share), share**2)]
    unary = [(1 - v) * loses[0] + v * loses[1] + eta * p for v, p in zip((0, 0.5, 1), prior, strict=True)]
    return [np.stack(unary), *links]


def puzzlemix(alpha: float, pixels: Array) -> Law:
    """The mask of least energy for each pair; cells move afterwards, which changes neither mask nor label.

    Args:
        alpha (float): Of the Beta law.
        pixels (Array): The images in [0, 1].
    """

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        masks = []
        for i, j in enumerate(rng.permutation(len(images))):
            n, share = 2 ** int(rng.integers(1, 5)), rng.beta(alpha, alpha)
            cells = least_cut(*puzzle_problem(pixels[i], pixels[j], maps[i], maps[j], share, n))
            masks.append(cells.repeat(images.shape[2] // n, 0).repeat(images.shape[3] // n, 1))
        return of_masks(masks)

    return law


# ------------------------------------------------------------------------------------------------------------- CoMixup


def best_of_two(unary: Array, price: Array, labels: Array, pair: tuple[int, int]) -> Array:
    """The best way to hand the cells that show one of two labels out between the two, exactly, row by row.

    Args:
        unary (Array): ``(L, rows, columns)``.
        price (Array): ``(L, L)`` what neighbours of two labels cost.
        labels (Array): ``(rows, columns)``.
        pair (tuple[int, int]): The two labels.
    """
    free = np.isin(labels, pair)
    bits = np.array(list(product((0, 1), repeat=labels.shape[1])))
    column = np.arange(labels.shape[1])
    total, states, came = np.zeros(len(bits)), [], []
    for y, row in enumerate(labels):
        state = np.where(free[y], np.array(pair)[bits], row)
        own = unary[state, y, column].sum(1) + price[state[:, :-1], state[:, 1:]].sum(1)
        if states:
            through = total[:, None] + price[states[-1][:, None], state[None]].sum(2)
            came.append(through.argmin(0))
            total = through.min(0) + own
        else:
            total = own
        states.append(state)
    at = int(total.argmin())
    found = [states[-1][at]]
    for state, back in zip(states[-2::-1], came[::-1], strict=True):
        at = int(back[at])
        found.append(state[at])
    return np.stack(found[::-1])


def swapped(unary: Array, price: Array) -> Array:
    """A labelling that no swap of two labels betters, from one label everywhere."""
    labels = np.zeros(unary.shape[1:], int)

    def energy(some: Array) -> float:
        cells = np.take_along_axis(unary, some[None], 0).sum()
        return float(cells + price[some[1:], some[:-1]].sum() + price[some[:, 1:], some[:, :-1]].sum())

    least, better = energy(labels), True
    while better:
        better = False
        for pair in product(range(len(unary)), repeat=2):
            if pair[0] < pair[1] and np.isin(pair, labels).any():
                tried = best_of_two(unary, price, labels, pair)
                if energy(tried) < least - 1e-9:
                    labels, least, better = tried, energy(tried), True
    return labels


def with_means(unary: Array, beta: float, seen: Array) -> tuple[Array, Array, Array]:
    """Two or three inputs that an output shows may also be shown as means of two of them, at a bonus of 5e-4.

    Returns:
        tuple[Array, Array, Array]: The unary costs and the prices with the means as labels of their own, and what each
        label shows of each input, ``(labels, inputs)``.
    """
    size = len(unary)
    shown = np.argsort(-seen, kind='stable')[: min(3, int((seen > 0).sum()))]
    pairs = [(0, 1)] if len(shown) == 2 else [(0, 1), (0, 2), (1, 2)]
    weights = np.eye(size)
    means = np.zeros((len(pairs), size))
    for mean, pair in zip(means, pairs, strict=True):
        mean[shown[list(pair)]] = 0.5
    price = 1 - np.eye(size + len(pairs))
    price[size:, :size] = np.where(means > 0, 0.25, 1)
    price[:size, size:] = price[size:, :size].T
    extra = np.einsum('pl,lyx->pyx', means, unary) - 5e-4
    return np.concatenate([unary, extra]), beta * price, np.concatenate([weights, means])


def comixup(alpha: float, part: int = 20, grid: int = 4, rounds: int = 4) -> Law:
    """Every output of a part takes its cells from the inputs, in turn; ``lam`` is the share of its strongest input.

    Outputs with the same inputs are told apart before the last round, as the code does it.
    """

    def law(rng: np.random.Generator, images: Array, maps: Array) -> Drawn:
        side, strongest = images.shape[2] // grid, []
        for first in range(0, len(images), part):
            some = maps[first : first + part]
            size, cells = len(some), grid**2
            salience = some.reshape(size, grid, side, grid, side).mean((2, 4))
            salience = salience / salience.sum((1, 2), keepdims=True)
            taste = np.log(rng.dirichlet(np.full(size, alpha)) + 1e-8)
            cost = -salience - 0.05 / cells * taste[:, None, None]
            shown = np.eye(size)[rng.integers(size, size=(size, cells))].sum(1)
            apart = np.zeros((size, size))
            for turn in range(rounds):
                for i in range(size):
                    crowd = shown.sum(0) - shown[i]
                    crowd = 2 / cells * np.where(crowd > 0.83 * cells, crowd, 0)
                    unary = cost + (crowd + apart[i] / cells)[:, None, None]
                    price, weights = 0.32 / cells * (1 - np.eye(size)), np.eye(size)
                    if turn and (shown[i] > 0).sum() > 1:
                        unary, price, weights = with_means(unary, 0.32 / cells, shown[i])
                    shown[i] = weights[swapped(unary, price)].sum((0, 1))
                if turn == rounds - 2:
                    apart = told_apart(shown > 0)
            strongest += [*(shown / cells).max(1)]
        return Drawn(np.array(strongest), np.ones((len(images), *images.shape[2:])))

    return law


def told_apart(held: Array) -> Array:
    """What outputs that hold the same several inputs pay for one of them: the first of two outputs, and the second."""
    apart = np.zeros(held.shape)
    for i, j in product(range(len(held)), repeat=2):
        inputs = held[i].nonzero()[0]
        if i < j and (held[i] == held[j]).all() and len(inputs) > 1:
            apart[i, inputs[0]] = apart[j, inputs[1]] = 1
    return apart
