"""PuzzleMix and Co-Mixup: their energies written out plainly, and their searches beside the true minimum."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor

import mmmix
from mmmix.core import Guide, Partners
from mmmix.ops.cells import shares_of_cells
from mmmix.ops.grid_energy import GridEnergy, best_shares, label_steps, least_energy
from mmmix.ops.potts import PottsField, label_counts, own_first
from mmmix.ops.puzzle import binomial_prior, puzzle_energy, seams
from mmmix.ops.transport import move_cells, transport_plan


class Given(Guide):
    """A guide that was told what to say: its maps are the first channel of the images."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return images[:, :1].float().abs()


class Blank(Partners):
    """Everybody's partner is a black image."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pool = torch.cat([images, torch.zeros_like(images)])
        return pool, torch.cat([scores, scores]), len(images) + torch.arange(len(images))


def random_energy(count: int, n: int, beta: float = 1.2) -> GridEnergy:
    """PuzzleMix's energies for random images with peaky salience."""
    images = torch.rand(2, count, 3, 4 * n, 4 * n)
    mine, theirs = (shares_of_cells(torch.rand(count, 1, n, n) ** 4) for _ in range(2))
    down, right = seams(images[0], images[1], n, 4)
    return puzzle_energy(mine, theirs, down, right, torch.rand(count), beta=beta, gamma=0.5, eta=0.2, n_labels=3)


def plain_energy(energy: GridEnergy, i: int, shares: np.ndarray) -> float:
    """The energy of one labelling, in loops."""
    levels, n, _ = energy.unary[i].shape
    total = 0.0
    for y, x in product(range(n), range(n)):
        total += float(energy.unary[i, round(shares[y, x] * (levels - 1)), y, x])
        if y + 1 < n:
            total += float(energy.down[i, y, x]) * (shares[y, x] - shares[y + 1, x]) ** 2
        if x + 1 < n:
            total += float(energy.right[i, y, x]) * (shares[y, x] - shares[y, x + 1]) ** 2
    return total


def minimum_cut(energy: GridEnergy, i: int) -> np.ndarray:
    """The labelling of least energy, by a maximum flow through one chain of nodes a cell (Ishikawa's construction)."""
    unary, down, right = (part[i].double().numpy() for part in (energy.unary, energy.down, energy.right))
    steps, n = unary.shape[0] - 1, unary.shape[1]
    source, sink, scale = n * n * steps, n * n * steps + 1, 10**6
    edges: dict[tuple[int, int], int] = {}

    def node(cell: tuple[int, int], step: int) -> int:
        return (cell[0] * n + cell[1]) * steps + step

    def connect(start: int, end: int, capacity: float) -> None:
        edges[start, end] = edges.get((start, end), 0) + round(capacity * scale)

    for cell in product(range(n), range(n)):
        costs = unary[(slice(None), *cell)] - unary[(slice(None), *cell)].min()
        chain = [source, *(node(cell, step) for step in range(steps)), sink]
        for label in range(steps + 1):
            connect(chain[label], chain[label + 1], costs[label])
            if 0 < label < steps:
                connect(chain[label + 1], chain[label], 1000)
    pairs = [((y, x), (y + 1, x), down[y, x]) for y in range(n - 1) for x in range(n)]
    pairs += [((y, x), (y, x + 1), right[y, x]) for y in range(n) for x in range(n - 1)]
    for one, two, weight in pairs:
        for a, b in product(range(steps), range(steps)):
            if a >= b:  # the squares of whole numbers are sums of 1, 2, 2, ... over pairs of steps
                for start, end in ((one, two), (two, one)):
                    connect(node(start, a), node(end, b), weight / steps**2 * (1 if a == b else 2))
    rows, columns = zip(*edges, strict=True)
    capacity = csr_matrix((np.array(list(edges.values()), np.int32), (rows, columns)), shape=(sink + 1, sink + 1))
    left_over = capacity - maximum_flow(capacity, source, sink).flow
    left_over.data = np.maximum(left_over.data, 0)
    left_over.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(left_over, source, return_predecessors=False)] = True
    return reached[:-2].reshape(n, n, steps).sum(2) / steps


# ------------------------------------------------------------------------------------------------------------ PuzzleMix


def test_energy_of_many_labellings_equals_loops() -> None:
    energy = random_energy(3, 4)
    shares = torch.randint(3, (3, 5, 4, 4)) / 2
    found = energy(shares)
    expected = [[plain_energy(energy, i, shares[i, s].numpy()) for s in range(5)] for i in range(3)]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_seams_and_unary_are_the_average_loss_over_what_neighbours_may_be() -> None:
    """With binary cells the energy is, up to what all labellings share, salience lost + seams + unlike neighbours."""
    n, k, size = 3, 2, 4
    torch.manual_seed(0)
    images = torch.rand(2, 1, 3, n * k * size, n * k * size)
    salience = shares_of_cells(torch.rand(1, 1, n, n)), shares_of_cells(torch.rand(1, 1, n, n))
    down, right = seams(images[0], images[1], n, size)
    half = torch.full((1,), 0.5)
    energy = puzzle_energy(*salience, down, right, half, beta=1.2, gamma=0.5, eta=0.0, n_labels=2)
    pooled = images.unflatten(3, (n * k, size)).unflatten(5, (n * k, size)).mean((4, 6))[:, 0].numpy()
    pooled = pooled / float(images[0].max() - images[0].min())
    weight = 1.2 / n / 16

    def loss(own: np.ndarray) -> float:
        total = sum(float(salience[1 if own[y, x] else 0][0, 0, y, x]) for y, x in product(range(n), range(n)))
        for y, x in product(range(n), range(n)):
            image = pooled[0 if own[y, x] else 1]
            if y + 1 < n:
                below, columns = pooled[0 if own[y + 1, x] else 1], slice(x * k, x * k + k)
                seam = np.abs(image[:, (y + 1) * k - 1, columns] - below[:, (y + 1) * k, columns]).mean()
                total += weight * (0.5 * seam + (own[y, x] != own[y + 1, x]))
            if x + 1 < n:
                beside, rows = pooled[0 if own[y, x + 1] else 1], slice(y * k, y * k + k)
                seam = np.abs(image[:, rows, (x + 1) * k - 1] - beside[:, rows, (x + 1) * k]).mean()
                total += weight * (0.5 * seam + (own[y, x] != own[y, x + 1]))
        return float(total)

    labellings = [np.array(bits).reshape(n, n) for bits in list(product((0, 1), repeat=n * n))[::37]]
    difference = [plain_energy(energy, 0, own.astype(float)) - loss(own) for own in labellings]
    np.testing.assert_allclose(difference, difference[0], atol=1e-6)


def test_prior_is_binomial() -> None:
    prior = binomial_prior(torch.tensor([0.3]), 3)[0]
    torch.testing.assert_close(prior, -torch.tensor([0.49, 0.42, 0.09]).log(), rtol=1e-4, atol=1e-5)


def test_search_finds_the_minimum_of_small_grids() -> None:
    """Against all 19,683 labellings of 3 x 3 cells with three labels."""
    energy = random_energy(40, 3)
    every = torch.tensor(list(product((0.0, 0.5, 1.0), repeat=9))).view(1, -1, 3, 3)
    least = torch.cat(
        [
            GridEnergy(energy.unary[i : i + 1], energy.down[i : i + 1], energy.right[i : i + 1])(every).amin(1)
            for i in range(40)
        ]
    )
    found = energy(least_energy(energy)[:, None])[:, 0]
    excess = (found - least) / least.abs()
    assert float(excess.min()) > -1e-5
    assert float(excess.mean()) < 0.001 and float(excess.max()) < 0.02


@pytest.mark.parametrize(('n', 'beta'), [(8, 1.2), (16, 1.2), (8, 10.0)])
def test_search_comes_close_to_the_minimum_cut(n: int, beta: float) -> None:
    energy = random_energy(8, n, beta)
    found = energy(least_energy(energy)[:, None])[:, 0]
    cut = torch.stack([torch.from_numpy(minimum_cut(energy, i)).float() for i in range(8)])
    least = energy(cut[:, None])[:, 0]
    excess = (found - least) / least.abs()
    assert float(excess.min()) > -1e-4, 'the reference is not the minimum'
    assert float(excess.mean()) < 0.02 and float(excess.max()) < 0.06


@pytest.mark.parametrize('on_host', [None, True, False])
def test_transport_equals_the_bidding_in_loops(on_host: bool | None) -> None:
    n, eps = 4, 0.2
    cells = (torch.rand(6, 1, n, n) > 0.5).float()
    salience = shares_of_cells(torch.rand(6, 1, n, n) ** 6)
    found = transport_plan(cells, salience, eps, on_host)
    for i in range(6):
        places = list(product(range(n), range(n)))
        way = np.array([[(a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for b in places] for a in places])
        gain = np.array([[float(salience[i, 0][a] * (cells[i, 0][b] > 0)) for b in places] for a in places])
        cost = eps * way / (n - 1) ** 2 - gain
        for _ in range(n):
            wanted = cost.argmin(1)
            best: dict[int, int] = {}
            for cell, place in enumerate(wanted):
                if place not in best or cost[cell, place] < cost[best[place], place]:
                    best[place] = cell
            for cell, place in enumerate(wanted):
                if best[place] != cell:
                    cost[cell, place] += 1
        expected = [best.get(place, place) for place in range(n * n)]
        assert found[i].flatten().tolist() == expected


def test_transport_in_parts_equals_all_at_once() -> None:
    """On the host a large batch is planned in parts, and only cells that lost bid again: nobody notices."""
    cells = (torch.rand(50, 1, 16, 16) > 0.5).float()
    salience = shares_of_cells(torch.rand(50, 1, 16, 16) ** 6)
    found = transport_plan(cells, salience, 0.05)
    assert torch.equal(found, transport_plan(cells, salience, 0.05, on_host=False))
    assert (found.flatten(1) != torch.arange(256)).float().mean() > 0.05, 'some cells move'


@pytest.mark.parametrize('levels', [2, 3, 4])
def test_label_steps_tell_the_label_of_least_cost(levels: int) -> None:
    """Convex or not, the number of steps below the pull is the first label of least cost."""
    costs, pull = torch.rand(40, 2, levels, 3, 3).double(), 2 * torch.rand(40, 2, 3, 3).double() - 1
    costs[20:] += 2 * torch.linspace(0, 1, levels).view(-1, 1, 1).double() ** 2
    shares = torch.linspace(0, 1, levels).double()
    expected = torch.stack([costs[:, :, k] - 2 * shares[k] * pull for k in range(levels)]).argmin(0) / (levels - 1)
    steps = label_steps(costs)
    torch.testing.assert_close(best_shares(pull, steps), expected.double())
    assert (steps[:, :, 1:] >= steps[:, :, :-1]).all()
    assert len(expected.unique()) == levels


def test_off_the_host_nothing_is_asked_of_it() -> None:
    """Tensors without values: whatever looked at one would fail."""
    rand = partial(torch.rand, device='meta')
    energy = GridEnergy(rand(6, 3, 8, 8), rand(6, 7, 8), rand(6, 8, 7))
    assert least_energy(energy).shape == (6, 8, 8)
    plan = transport_plan(rand(6, 1, 8, 8), rand(6, 1, 8, 8), 0.8)
    assert plan.shape == (6, 8, 8)
    for size in (16, 18):
        assert move_cells(rand(6, 3, size, size), plan).shape == (6, 3, size, size)


def test_cells_move_whole() -> None:
    images = torch.rand(2, 3, 8, 12)
    source = torch.stack([torch.randperm(16), torch.arange(16)]).view(2, 4, 4)
    moved = move_cells(images, source)
    for y, x in product(range(4), range(4)):
        a, b = divmod(int(source[0, y, x]), 4)
        assert torch.equal(
            moved[0, :, 2 * y : 2 * y + 2, 3 * x : 3 * x + 3], images[0, :, 2 * a : 2 * a + 2, 3 * b : 3 * b + 3]
        )
    assert torch.equal(moved[1], images[1])
    last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(move_cells(last, source), moved)
    assert move_cells(last, source).is_contiguous(memory_format=torch.channels_last)
    odd = torch.rand(1, 1, 7, 9)
    assert torch.isin(move_cells(odd, source[:1]), odd).all()


def test_puzzlemix_brings_salience_into_the_mask() -> None:
    """More of the own salience shows than of the own area, and moving the cells adds to it."""
    images = torch.rand(32, 3, 32, 32)
    peaks = torch.rand(32, 8, 8) ** 8
    images[:, 0] *= peaks.repeat_interleave(4, 1).repeat_interleave(4, 2)
    shown = {}
    for transport in (False, True):
        torch.manual_seed(1)
        mixer = mmmix.PuzzleMix(guide=Given(), blocks=(8,), transport=transport, t_eps=0.01, alpha=4.0)
        # The partners are blank, so that only own salience shows in the mix.
        mixer.partners = Blank()
        mix = mixer.mix(images, torch.eye(32))
        salient = mix.images[:, 0].sum((1, 2)) / images[:, 0].sum((1, 2))
        shown[transport] = float((salient - mix.lam).mean())
    assert shown[False] > 0.1
    assert shown[True] > shown[False]
    lam = mmmix.PuzzleMix(guide=Given(), alpha=1.0, lam_mode='elem').mix(images, torch.eye(32))
    assert float(torch.corrcoef(torch.stack([lam.lam, lam.mask.mean((1, 2, 3))]))[0, 1]) > 0.999


def test_puzzlemix_share_follows_the_prior() -> None:
    images = torch.rand(64, 3, 16, 16)
    means = []
    for share in (0.1, 0.9):
        mixer = mmmix.PuzzleMix(guide=Given(), blocks=(4,), eta=2.0)
        mixer.sample_share = lambda count, device, share=share: torch.full((count,), share)
        means.append(float(mixer.mix(images, torch.eye(64)).lam.mean()))
    assert means[0] < 0.3 and means[1] > 0.7


# ------------------------------------------------------------------------------------------------------------ Co-Mixup


def co_energy(labels: np.ndarray, salience: np.ndarray, beta: float, gamma: float, thres: float) -> float:
    """Co-Mixup's objective for one part: salience shown, unlike neighbours, and inputs that others show a lot."""
    _, rows, columns = labels.shape
    cells, total = rows * columns, 0.0
    counts = np.stack([np.bincount(output.ravel(), minlength=len(salience)) for output in labels])
    for output, count in zip(labels, counts, strict=True):
        total -= sum(salience[output[y, x], y, x] for y, x in product(range(rows), range(columns)))
        total += (
            beta / cells * (output[1:] != output[:-1]).sum() + beta / cells * (output[:, 1:] != output[:, :-1]).sum()
        )
        others = counts.sum(0) - count
        total += gamma / cells * ((others > thres * cells) * others * count).sum()
    return float(total)


def test_comixup_finds_assignments_of_low_energy() -> None:
    """Two inputs, two outputs of 2 x 2 cells: against all 256 assignments."""
    torch.manual_seed(0)
    mixer = mmmix.CoMixup(guide=Given(), eta=0.0, omega=0.0)
    salience = shares_of_cells(torch.rand(40, 1, 2, 2) ** 2)[:, 0].unflatten(0, (20, 2))
    found = mixer.assign(salience)
    better = []
    for i in range(20):
        maps = salience[i].numpy()
        energies = [
            co_energy(np.array(bits).reshape(2, 2, 2), maps, 0.32, 1.0, 0.83) for bits in product((0, 1), repeat=8)
        ]
        energy = co_energy(found[i].numpy(), maps, 0.32, 1.0, 0.83)
        better.append(np.mean(np.array(energies) < energy - 1e-6))
    # Outputs are solved one by one, so not every part reaches its minimum.
    assert np.mean(better) < 0.1, 'of all assignments, half of which chance would beat, hardly any may be better'
    assert np.mean(np.array(better) == 0) > 0.5, 'most parts reach the minimum'


def test_comixup_outputs_hold_several_inputs_and_use_all() -> None:
    salience = shares_of_cells(torch.rand(60, 1, 4, 4) ** 4)[:, 0].unflatten(0, (3, 20))
    counts = label_counts(mmmix.CoMixup(guide=Given()).assign(salience), 20)
    inputs = (counts > 0).sum(2).float().mean()
    assert 1.5 < float(inputs) < 4
    assert float(counts.sum(1).min()) > 0 and float(counts.sum(1).max()) < 2 * 16
    assert float(counts.diagonal(dim1=1, dim2=2).mean()) > 16 / 3, 'outputs stand where their own input is'


def test_potts_search_never_raises_the_energy() -> None:
    field = PottsField(torch.rand(50, 5, 4, 4), 0.2)
    labels = torch.randint(5, (50, 4, 4))
    lower = field.lower(labels)
    assert (field(lower[:, None]) <= field(labels[:, None]) + 1e-6).all()
    flat = torch.arange(5).view(1, 5, 1, 1).expand(50, 5, 4, 4)
    assert (field(lower[:, None]) <= field(flat).amin(1, keepdim=True) + 1e-6).all()


def test_own_first_only_reorders() -> None:
    labels = torch.randint(6, (4, 6, 3, 3))
    ordered = own_first(labels, label_counts(labels, 6))
    for before, after in zip(labels, ordered, strict=True):
        assert sorted(map(str, before.tolist())) == sorted(map(str, after.tolist()))


def test_comixup_labels_are_area_shares_over_all_inputs() -> None:
    images, scores = torch.rand(23, 3, 12, 9), torch.rand(23, 7).softmax(1)
    images[:, 0] = images[:, 0] ** 6
    mix = mmmix.CoMixup(guide=Given(), part=10, grid=3).mix(images, scores)
    several = 0
    for i in range(23):
        # Which input shows in a pixel is told by its value: all values differ.
        shown = [(mix.images[i] == images[j]).all(0).float().mean() for j in range(23)]
        torch.testing.assert_close(mix.scores[i], sum(s * scores[j] for j, s in enumerate(shown)))
        torch.testing.assert_close(mix.lam[i], shown[i])
        others = [s if j != i else torch.tensor(-1.0) for j, s in enumerate(shown)]
        torch.testing.assert_close(mix.lam_partner[i], max(others))
        several += sum(s > 0 for s in shown) > 2
        block = i // 10
        assert all(s == 0 for j, s in enumerate(shown) if j // 10 != block), 'only images of one part meet'
    assert several > 0
