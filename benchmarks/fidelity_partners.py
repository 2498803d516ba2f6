"""Partners and keeps beside slow references: who is mixed in, and where a box may fall."""

from types import SimpleNamespace

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_laws import Array
from fidelity_regions import Box, any_boxes, rated_places, whole_boxes
from fidelity_salience import blurred, farthest_cycle

from mmmix import (
    CutMix,
    Cutout,
    FineGrained,
    HardPool,
    History,
    NearLabels,
    Oneself,
    Permutation,
    SaliencyCycle,
    SelectiveCut,
    SelectivePaste,
)
from mmmix.core.roles import Partners
from mmmix.datasets.transforms import KeepAugment, KeepAutoAugment, KeepCutout, KeepRandAugment
from mmmix.evaluation.contenders import FixedGuide
from mmmix.keeps import QuantileKeep, choices_of
from mmmix.partners import HardSampleTable

# ------------------------------------------------------------------------------------------------------------- partners


def tensors(images: Array, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images and labels of their own."""
    return torch.from_numpy(images[:count]).float(), torch.eye(count)


def meetings(partners: Partners, images: Array, count: int = 6, batches: int = 4000) -> Array:
    """How often each image of a batch meets each row of the pool, ``(count, rows)``."""
    own, scores = tensors(images, count)
    met = np.zeros((count, count))
    for _ in range(batches):
        partner = partners(own, scores)[2].numpy()
        met[np.arange(count), partner] += 1
    return met / batches


def permutation(images: Array) -> tuple[Array, Array]:
    """Everybody meets everybody alike, himself too."""
    return np.full((6, 6), 1 / 6), meetings(Permutation(), images)


def near_labels(images: Array) -> tuple[Array, Array]:
    """Each of the batch by a Gaussian of the distance of its label, oneself included."""
    labels, bandwidth = np.array([-1.0, -0.7, 0.0, 0.1, 0.2, 1.0]), 0.3
    theirs = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            theirs[i, j] = np.exp(-((labels[i] - labels[j]) ** 2) / (2 * bandwidth**2))
        theirs[i] /= theirs[i].sum()
    own, scores = tensors(images, 6)[0], torch.from_numpy(labels)[:, None].float()
    met = np.zeros((6, 6))
    for _ in range(4000):
        met[np.arange(6), NearLabels(bandwidth=bandwidth)(own, scores)[2].numpy()] += 1
    return theirs, met / 4000


def oneself(images: Array) -> tuple[Array, Array]:
    """Nobody but oneself."""
    return np.eye(6), meetings(Oneself(), images, batches=2)


def last_step(images: Array) -> tuple[Array, Array]:
    """In the second step each image is mixed with what the image at its place became, label and all."""
    mixer = CutMix(partners=History(), lam_mode='elem')
    batches = [torch.from_numpy(part).float() for part in (images[:6], images[6:12])]
    first, second = (mixer.mix(batch, torch.eye(6)) for batch in batches)
    mixed, labels = [], []
    for i in range(6):
        mask = second.mask[i].numpy()
        mixed.append(mask * batches[1][i].numpy() + (1 - mask) * first.images[i].numpy())
        labels.append(mask.mean() * np.eye(6)[i] + (1 - mask.mean()) * first.scores[i].numpy())
    theirs = np.concatenate([np.ravel(mixed), np.ravel(labels)])
    return theirs, np.concatenate([second.images.numpy().ravel(), second.scores.numpy().ravel()])


def first_step(images: Array) -> tuple[Array, Array]:
    """Nobody is mixed in as long as there is no last step."""
    batch, scores = tensors(images, 6)
    return np.ones(6), CutMix(partners=History(), lam_mode='elem').mix(batch, scores).lam.numpy()


def hard_samples(images: Array) -> tuple[Array, Array]:
    """Misses over views, the past counting less and less; hard is the top fifth above the least hardness."""
    rng = np.random.default_rng(0)
    table, seen, missed = HardSampleTable(300), np.zeros(300), np.zeros(300)
    prone = rng.random(300) ** 2
    for _ in range(100):
        rows = rng.integers(250, size=32)
        wrong = rng.random(32) < prone[rows]
        table.update(rows.tolist(), wrong.tolist())
        for row, miss in zip(rows, wrong, strict=True):
            seen[row], missed[row] = 0.9 * seen[row] + 1, 0.9 * missed[row] + miss
    hardness = np.array([m / s if s else 0 for m, s in zip(missed, seen, strict=True)])
    of_seen = sorted(hardness[seen > 0], reverse=True)
    bound = of_seen[round(0.2 * len(of_seen)) - 1]
    # What both sides round differently lies at the bound itself.
    hard = (hardness >= bound - 1e-5) & (hardness > 0.2)
    found = table.hard_mask().numpy()
    return np.concatenate([hardness, hard]), np.concatenate([table.hardness().numpy(), found])


def hard_partners(images: Array) -> tuple[Array, Array]:
    """Half of all partners come from the pool, each of its hard samples alike, the others from the batch."""
    count, batches, hard = 6, 1500, [7, 8, 9, 10]
    table = SimpleNamespace(active=True, is_hard=lambda rows: torch.tensor([int(row) in hard for row in rows]))
    pool = HardPool(size=8, min_size=2, prob=0.5)
    pool.bind(SimpleNamespace(hard_table=table))
    batch, scores = tensors(images, 16)
    pool.observe(batch, scores, list(range(16)))
    met = np.zeros(16)
    for _ in range(batches):
        _, labels, partner = pool(batch[:count], scores[:count])
        np.add.at(met, labels[partner].argmax(1).numpy(), 1)
    theirs = np.array([0.5 / count] * count + [0.0] + [0.5 / len(hard)] * len(hard) + [0.0] * 5)
    return theirs, met / met.sum()


def salient_cycle(images: Array) -> tuple[Array, Array]:
    """The greedy cycle through blurred maps of sum 1."""
    rated = np.stack([np.abs(image).sum(0) for image in images[:24]])
    smooth = np.stack([blurred(each) for each in rated])
    smooth = smooth / smooth.sum((1, 2), keepdims=True)
    partners = SaliencyCycle(FixedGuide(torch.from_numpy(rated)[:, None].float()))
    return farthest_cycle(smooth), partners(*tensors(images, 24))[2].numpy()


# ---------------------------------------------------------------------------------------------------------------- keeps


def importance_of(images: Array) -> Array:
    """Maps to rate boxes by, ``(N, H, W)``."""
    return np.stack([np.abs(image).sum(0) ** 2 for image in images])


def allowed_by(rated: Array, boxes: list[Box], tau: float, below: bool) -> Array:
    """Which of the boxes lie on this side of the quantile of all of them."""
    sums = rated_places(rated, boxes)
    threshold = np.quantile(sums, tau, method='lower' if below else 'higher')
    return sums <= threshold * (1 + 1e-6) if below else sums >= threshold * (1 - 1e-6)


def whole(keep: type[QuantileKeep], tau: float = 0.6) -> Measure:
    """All whole boxes are rated, of several sizes, and the quantile is that of their importances."""

    def measure(images: Array) -> tuple[Array, Array]:
        rated, sizes = (
            importance_of(images[:8]),
            [(16, 16), (7, 12), (1, 1), (32, 32), (3, 30), (9, 9), (20, 5), (8, 8)],
        )
        heights, widths = torch.tensor(sizes).unbind(1)
        maps = torch.from_numpy(rated)[:, None].float()
        ours = keep(FixedGuide(maps), tau=tau).allowed(maps, heights, widths).numpy()
        theirs = np.zeros(ours.shape, bool)
        for i, (rows, columns) in enumerate(sizes):
            boxes = whole_boxes(rows, columns, 32, 32)
            for box, allowed in zip(boxes, allowed_by(rated[i], boxes, tau, keep.below), strict=True):
                theirs[i, box[0] + rows // 2, box[2] + columns // 2] = allowed
        return theirs, ours

    return measure


def own_places(images: Array) -> tuple[Array, Array]:
    """The base method's boxes around every pixel are rated as the border clips them."""
    rated = importance_of(images[:8])
    keep = SelectiveCut(FixedGuide(torch.from_numpy(rated)[:, None].float()), candidates='clipped')
    with choices_of(keep) as choices:
        Cutout(length=9, keep=keep).mix(*tensors(images, 8))
    boxes = any_boxes(9, 9, 32, 32)
    theirs = [allowed_by(each, boxes, 0.6, below=True).reshape(32, 32) for each in rated]
    return np.stack(theirs), choices[0].allowed.numpy()


def bytes_of(images: Array) -> Array:
    """Images of bytes, ``(N, 32, 32, 3)``, without the value of the fill."""
    low, high = images.min(), images.max()
    return ((images - low) / (high - low) * 127).astype(np.uint8).transpose(0, 2, 3, 1)


def in_workers(cut: bool) -> Measure:
    """The box of 16 pixels that a transform erases, or keeps, and how important the threshold lets it be."""

    def measure(images: Array) -> tuple[Array, Array]:
        guide = FineGrained()
        invert = [dict(type='Invert', prob=1.0)]
        transform = KeepCutout(length=16, guide=guide) if cut else KeepAugment(invert, guide=guide, length=16)
        theirs, ours = [], []
        boxes = whole_boxes(16, 16, 32, 32)
        for image in bytes_of(images[:40]):
            rated = guide(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0, 0].numpy()
            found = transform(dict(img=image))['img']
            box = (found == 128).all(2) if cut else (found == image).all(2)
            sums = rated_places(rated, boxes if not cut else whole_boxes(*sides_of(box), 32, 32))
            threshold = np.quantile(sums, 0.6, method='lower' if cut else 'higher')
            here = float(rated[box].sum())
            ours.append(here)
            theirs.append(min(here, threshold) if cut else max(here, threshold))
        return np.array(theirs), np.array(ours)

    return measure


def important_box_stays(transform: type) -> Measure:
    """Whether each augmented image holds a box of the clean one that is important enough."""

    def measure(images: Array) -> tuple[Array, Array]:
        guide, boxes, found = FineGrained(), whole_boxes(16, 16, 32, 32), []
        built = transform(guide=guide, length=16)
        for image in bytes_of(images[:40]):
            rated = guide(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0, 0].numpy()
            same = (built(dict(img=image))['img'] == image).all(2)
            allowed = allowed_by(rated, boxes, 0.6, below=False)
            found.append(any(ok and same[b[0] : b[1], b[2] : b[3]].all() for ok, b in zip(allowed, boxes, strict=True)))
        return np.ones(len(found)), np.array(found)

    return measure


def sides_of(box: Array) -> tuple[int, int]:
    """The height and the width of a box of True."""
    return int(box.any(1).sum()), int(box.any(0).sum())


def entries() -> list[Given]:
    """Partners, keeps and the transforms of KeepAugment."""
    seed, reading = 'paper', 'our reading of the abstract'
    rated = 'places that are allowed (0 or 1)'
    return [
        Given('partners', 'Permutation', 'a random permutation: each of the batch alike, oneself too', seed,
              'frequency of each pair', permutation, near=0.03),
        Given('partners', 'NearLabels', 'of the batch by exp(-(y_i - y_j)^2 / (2 bandwidth^2)), oneself too',
              'code, batch_type=1', 'frequency of each pair', near_labels, ours='bandwidth=0.3', near=0.03),
        Given('partners', 'Oneself', 'the image itself', 'Cut-Thumbnail', 'frequency of each pair', oneself),
        Given('partners', 'History', 'what the image at the same place became in the last step, with its mixed label',
              'code', 'pixels and labels of the second step', last_step, config='recursivemix'),
        Given('partners', 'History', 'the first step is not mixed', 'code', 'own share in the first step', first_step,
              ours='the first step', why='a permutation of the batch stands in for the last step'),
        Given('partners', 'HardPool', 'hard: the top fifth by decayed misses over decayed views, and above 0.2',
              reading, 'hardness of 300 samples; who is hard', hard_samples, config='hardmix'),
        Given('partners', 'HardPool', 'from the pool with `prob`, each hard sample in it alike, else from the batch',
              reading, 'frequency of each partner', hard_partners, ours='prob=0.5', near=0.015),
        Given('partners', 'SaliencyCycle', 'greedy cycle from the farthest pair, by blurred maps of sum 1', 'code',
              'row of the partner', salient_cycle, config='guidedmixup'),
        Given('keeps', 'SelectiveCut', 'boxes inside the image, at most the 0.6-quantile of all of them', seed, rated,
              whole(SelectiveCut)),
        Given('keeps', 'SelectiveCut', "the base method's boxes as the border clips them, at most their 0.6-quantile",
              seed, rated, own_places, ours="candidates='clipped'"),
        Given('keeps', 'SelectivePaste', 'boxes inside the image, at least the 0.6-quantile of all of them', seed,
              rated, whole(SelectivePaste)),
        Given('keeps', 'KeepCutout', 'transform: the erased box is at most as important as the 0.6-quantile', seed,
              'importance of the box', in_workers(cut=True), near=1e-3),
        Given('keeps', 'KeepAugment', 'transform: the box that is kept is at least as important as the 0.6-quantile',
              seed, 'importance of the box', in_workers(cut=False), near=1e-3),
        Given('keeps', 'KeepRandAugment', 'transform: such a box of the clean image is in the augmented one', seed,
              'images that hold one (0 or 1)', important_box_stays(KeepRandAugment)),
        Given('keeps', 'KeepAutoAugment', 'transform: such a box of the clean image is in the augmented one', seed,
              'images that hold one (0 or 1)', important_box_stays(KeepAutoAugment)),
    ]  # fmt: skip
