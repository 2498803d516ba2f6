"""Heads and losses beside slow references: SUMix by the paper's section and by the released code, and DecoupledMix."""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_laws import Array
from fidelity_networks import softmax

from mmmix import CutMix, DecoupledMixLoss, RegressionHead, SUMixHead, SUMixVisionTransformerClsHead

CLASSES, WIDTH = 6, 8


@dataclass(frozen=True)
class Reading:
    """What of SUMix counts, for the reference.

    Attributes:
        released (bool): The released code's vectors and not the scalar of section 4.2.
        factor (float): The temperature of the scalar, or the scale of the vectors.
        relabel (bool): Whether shares are learned.
        semantic (bool): Whether the distance is in the regulariser.
        uncertain (bool): Whether the uncertainty is.
        raw (bool): Whether the uncertainty is the raw logits of its layer.
        of_batch (bool): Whether the batch's mean share acts.
    """

    released: bool = False
    factor: float = 1.0
    relabel: bool = True
    semantic: bool = True
    uncertain: bool = True
    raw: bool = False
    of_batch: bool = False


def unit(row: Array) -> Array:
    """A row divided by its Euclidean length."""
    return row / math.sqrt((row**2).sum())


def cross_entropy(logits: Array, label: int) -> float:
    """Of one row."""
    top = logits.max()
    return float(top + np.log(np.exp(logits - top).sum()) - logits[label])


def distance(reading: Reading, mixed: Array, clean: Array, rival: int) -> Array:
    """How far a mixed image is from one of its clean ones, one number for each class, times its factor."""
    if not reading.released:
        return np.full(CLASSES, reading.factor * math.sqrt(((mixed - clean) ** 2).sum()))
    without = clean.copy()
    without[rival] = 0
    return reading.factor * unit(softmax(mixed - without))


def sumix_reference(
    reading: Reading, clean: tuple[Array, Array], mixed: tuple[Array, Array], labels: Array, partner: Array, lam: Array
) -> tuple[float, float, float]:
    """Both losses and the mean of the new shares, image by image.

    Args:
        reading (Reading): What counts.
        clean (tuple[Array, Array]): Logits of the clean images, and what the uncertainty layer makes of them.
        mixed (tuple[Array, Array]): Those of the mixed images.
        labels (Array): Classes.
        partner (Array): Rows of the partners.
        lam (Array): Own shares.
    """
    shares, entropies, regular = [], [], 0.0

    def uncertainty(row: Array) -> Array:
        return row if reading.raw else unit(softmax(row))

    for i, share in enumerate(lam):
        a, b, other = int(labels[i]), int(labels[partner[i]]), int(partner[i])
        seen = softmax(mixed[0][i])
        far_a = distance(reading, seen, softmax(clean[0][i]), b)
        far_b = distance(reading, seen, softmax(clean[0][other]), a)
        mine, theirs = share * math.exp(-far_a[a]), (1 - share) * math.exp(-far_b[b])
        shares.append(mine / (mine + theirs) if reading.relabel else share)
        entropies.append((cross_entropy(mixed[0][i], a), cross_entropy(mixed[0][i], b)))
        for part, far, row, label in ((share, far_a, i, a), (1 - share, far_b, other, b)):
            gap = np.zeros(CLASSES)
            if reading.semantic:
                gap = gap + far
            if reading.uncertain:
                gap = gap + uncertainty(clean[1][row]) + uncertainty(mixed[1][i])
            regular += part * cross_entropy(np.exp(-gap), label) / len(lam)
    new, (of_a, of_b) = np.array(shares), np.array(entropies).T
    if reading.of_batch:
        loss = new.mean() * of_a.mean() + (1 - new.mean()) * of_b.mean()
    else:
        loss = (new * of_a + (1 - new) * of_b).mean()
    return float(loss), 0.5 * regular, float(new.mean())


def sumix(head: type, args: dict[str, Any], reading: Reading) -> Measure:
    """One head on random features; loss, weighted regulariser and mean new share."""

    def measure(images: Array) -> tuple[Array, Array]:
        built = head(num_classes=CLASSES, in_channels=WIDTH, log_grad_interval=None, **args)
        for weight in built.parameters():
            torch.nn.init.normal_(weight, std=0.7)
        mix = CutMix(lam_mode='elem').mix(
            torch.from_numpy(images[:16]).float(), torch.eye(CLASSES)[torch.arange(16) % 5]
        )
        of_mixed, of_clean = torch.randn(16, WIDTH), torch.randn(16, WIDTH)
        labels = mix.pool_scores.argmax(1)
        with torch.no_grad():
            feats: Any = (of_mixed,)
            pair = [(built((x,)), built.uncertainty(x)) for x in (of_clean, of_mixed)]
            clean = SimpleNamespace(logits=pair[0][0], features=of_clean, labels=labels)
            losses = built.loss_mix(feats, mix, clean)
        ours = [float(losses[name]) for name in ('loss', 'loss_reg', 'lam_sumix')]
        arrays = [tuple(each.double().numpy() for each in one) for one in pair]
        partner, lam = mix.partner.numpy(), mix.lam.double().numpy()
        return np.array(sumix_reference(reading, arrays[0], arrays[1], labels.numpy(), partner, lam)), np.array(ours)

    return measure


def decoupled(weighted: bool) -> Measure:
    """Cross entropy, and a tenth of both classes' own, from which the other one is left out."""

    def measure(images: Array) -> tuple[Array, Array]:
        logits, shares = torch.randn(16, CLASSES, dtype=torch.double), torch.rand(16, dtype=torch.double) * 0.8 + 0.1
        eye = torch.eye(CLASSES, dtype=torch.double)
        a, b = torch.arange(16) % CLASSES, (torch.arange(16) * 5 + 2) % CLASSES
        scores = shares[:, None] * eye[a] + (1 - shares)[:, None] * eye[b]
        theirs = []
        for z, share, mine, other in zip(logits.numpy(), shares.numpy(), a.tolist(), b.tolist(), strict=True):
            loss = share * cross_entropy(z, mine) + (1 - share) * cross_entropy(z, other)
            if mine != other:
                weights = (share, 1 - share) if weighted else (1, 1)
                for weight, label, rival in ((weights[0], mine, other), (weights[1], other, mine)):
                    others = [math.exp(z[k]) for k in range(CLASSES) if k != rival]
                    loss -= 0.1 * weight * math.log(math.exp(z[label]) / sum(others))
            theirs.append(loss)
        return np.array(theirs), DecoupledMixLoss(weighted=weighted, reduction='none')(logits, scores).numpy()

    return measure


def squared_error(images: Array) -> tuple[Array, Array]:
    """The mean over all numbers of the squared error of a linear layer."""
    head, features, labels = RegressionHead(WIDTH, num_classes=2), torch.randn(5, WIDTH), torch.randn(5, 2)
    weight, bias = (each.detach().double().numpy() for each in (head.fc.weight, head.fc.bias))
    total = 0.0
    for row, wanted in zip(features.double().numpy(), labels.double().numpy(), strict=True):
        for k in range(2):
            total += (float(weight[k] @ row + bias[k]) - wanted[k]) ** 2 / 10
    ours = head.loss_module(head((features,)), labels).detach()
    return np.array([total]), np.array([float(ours)])


def entries() -> list[Given]:
    """Heads and losses."""
    what = 'loss, regulariser, mean new share'
    released = Reading(released=True, factor=100, of_batch=True)
    switches: list[tuple[str, dict[str, Any], str, str, Reading]] = [
        ('ours', {}, 'shares times exp(-distance of probabilities); the same distance and U in the regulariser',
         'section 4.2, our reading', Reading()),
        ('temperature=2', dict(temperature=2.0), 'twice the distance', 'section 4.2, our reading', Reading(factor=2)),
        ("distance='released', scale=100", dict(distance='released', scale=100.0),
         'vectors 100 l2(softmax(mixed - clean without the rival)); the mean share of the batch', 'code', released),
        ("distance='released'", dict(distance='released'), 'the same, scaled by the batch size', 'code',
         Reading(released=True, factor=16, of_batch=True)),
        ("lam_reduction='batch'", dict(lam_reduction='batch'), 'the mean share of the batch', 'code',
         Reading(of_batch=True)),
        ('raw_uncertainty=True', dict(raw_uncertainty=True), 'U is not normalised', 'code for ImageNet',
         Reading(raw=True)),
        ("regularizer='semantic'", dict(regularizer='semantic'), 'the distance alone in the regulariser', 'Table 6',
         Reading(uncertain=False)),
        ("regularizer='uncertainty'", dict(regularizer='uncertainty'), 'U alone in the regulariser', 'Table 6',
         Reading(semantic=False)),
        ('relabel=False', dict(relabel=False), 'shares as they are', 'Table 6', Reading(relabel=False)),
    ]  # fmt: skip
    found = [
        Given('heads', 'SUMixHead', law, source, what, sumix(SUMixHead, args, reading), ours=ours,
              config='sumix' if ours == 'ours' else '')
        for ours, args, law, source, reading in switches
    ]  # fmt: skip
    found += [
        Given('heads', 'SUMixVisionTransformerClsHead', law, source, what,
              sumix(SUMixVisionTransformerClsHead, args, reading), ours=ours)
        for ours, args, law, source, reading in (switches[0], switches[2])
    ]  # fmt: skip
    return [
        *found,
        Given('heads', 'DecoupledMixLoss', 'both classes without their rival, by their shares', 'paper',
              'loss of each image', decoupled(True), config='decoupledmix'),
        Given('heads', 'DecoupledMixLoss', 'the same, both with full weight', "OpenMixup's code", 'loss of each image',
              decoupled(False), ours='weighted=False'),
        Given('heads', 'RegressionHead', 'mean squared error of a linear layer', 'C-Mixup', 'loss of a batch',
              squared_error),
    ]  # fmt: skip
