"""How far label shares are from what is visible of the two objects of a mixed image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from label_truth_networks import Scenes
from torch import Tensor

from mmmix import (
    ClassActivation,
    CutMix,
    LUMix,
    Mix,
    Mixer,
    PuzzleMix,
    SaliencyGrafting,
    SnapMix,
    TokenMix,
    TransMix,
    sumix_terms,
)
from mmmix.mixers import snapmix
from mmmix.ops.boxes import box_mask

#: An object of which less is visible counts as hidden.
HIDDEN = 0.05
#: SUMix's readings: the learned shares of CutMix's mixes.
SUMIX: dict[str, dict[str, Any]] = {
    'SUMix, l2, T 0.5': dict(distance='l2', temperature=0.5),
    'SUMix, l2, T 1': dict(distance='l2'),
    'SUMix, l2, T 2': dict(distance='l2', temperature=2.0),
    'SUMix, released, s 100': dict(distance='released', scale=100.0),
}
#: What acts of the released shares: their batch mean, here of as many mixes as the authors' batch.
BATCH = 100


def methods(kind: str) -> dict[str, Mixer]:
    """What sets label shares by itself, for each kind of network; one mask an image."""
    if kind == 'resnet':
        return {
            'area (CutMix)': CutMix(alpha=1.0, lam_mode='elem'),
            'LUMix': CutMix(alpha=1.0, lam_mode='elem', labels=LUMix()),
            'SnapMix': SnapMix(alpha=5.0, lam_mode='elem'),
            'SaliencyGrafting': SaliencyGrafting(lam_mode='elem'),
            'TokenMix': TokenMix(patch_size=4, extra_tokens=5, guide=ClassActivation(), lam_mode='elem'),
            'area (PuzzleMix)': PuzzleMix(lam_mode='elem', transport=False),
        }
    return {
        'area (CutMix), ViT': CutMix(alpha=1.0, lam_mode='elem'),
        'TransMix': CutMix(alpha=1.0, lam_mode='elem', labels=TransMix()),
        'TokenMix, ViT': TokenMix(patch_size=4, extra_tokens=5, lam_mode='elem'),
    }


@contextmanager
def cut_boxes() -> Iterator[list[Any]]:
    """Listen to where SnapMix takes the partner's part from."""
    told: list[Any] = []

    def listening(images: Tensor, source: Any, target: Any) -> Tensor:
        told.append(source)
        return resample(images, source, target)

    resample = snapmix.resample
    with patch.object(snapmix, 'resample', listening):
        yield told


def told_mix(model: Any, mixer: Mixer, scenes: Scenes) -> tuple[Mix, Tensor]:
    """A mix with the labels that its method gives it, and the part of each partner's ink that it shows, ``(N,)``."""
    mixer.bind(model)
    with cut_boxes() as cuts:
        mix = mixer.mix(scenes.images, scenes.scores)
    ink = scenes.ink[mix.partner]
    shown = 1 - mix.mask
    if cuts:
        # The partner's part is resized, so its ink is counted where it comes from; an empty box pastes nothing.
        pasted = (mix.mask.flatten(1).amin(1) < 1)[:, None, None, None]
        shown = (~box_mask(cuts[0], *ink.shape[-2:]) & pasted).float()
    visible = part(shown, ink)
    if mixer.labels is None or not mixer.labels.after_forward:
        return mix, visible
    with torch.no_grad(), mixer.labels.watch(model) as relabel:
        features = model.extract_feat(mix.images)
        return relabel(mix, lambda: model.head(features)), visible


def part(shown: Tensor, ink: Tensor) -> Tensor:
    """The part of each object's ink that is shown, ``(N,)``."""
    return (shown * ink).sum((1, 2, 3)) / ink.sum((1, 2, 3))


@torch.no_grad()
def learned(model: Any, mix: Mix, labels: Tensor) -> dict[str, Tensor]:
    """SUMix's shares of a mix, by each reading."""
    clean, mixed = (model(images, mode='tensor') for images in (mix.pool, mix.images))
    none = torch.zeros_like(clean)
    found = {}
    for name, reading in SUMIX.items():
        terms = sumix_terms(clean, mixed, none, none, labels, mix.partner, mix.lam, regularizer=None, **reading)
        found[name] = terms['lam']
    last = found['SUMix, released, s 100']
    found['SUMix, released, its batch mean'] = torch.cat([row.mean().expand(len(row)) for row in last.split(BATCH)])
    return found


def measured(model: Any, kind: str, scenes: Scenes, rounds: int) -> dict[str, dict[str, float]]:
    """The errors of all methods that fit a network.

    Returns:
        dict[str, dict[str, float]]: For each method the mean absolute error in ``all`` mixes and in those with a
        ``hidden`` object, that of the area of the same masks (``area_all``, ``area_hidden``), the number of both kinds
        of mixes (``mixes``, ``hidden_mixes``), and the means of the share that the hidden object's label is given.
    """
    labels = scenes.scores.argmax(1)
    rows: dict[str, list[Tensor]] = {}
    for name, mixer in methods(kind).items():
        for seed in range(rounds):
            torch.manual_seed(seed)
            mix, of_partner = told_mix(model, mixer, scenes)
            of_own = part(mix.mask, scenes.ink)
            truth, area = of_own / (of_own + of_partner), mix.mask.flatten(1).mean(1)
            hidden = torch.minimum(of_own, of_partner) < HIDDEN
            # Two classes, both of which the mask shows, and something to see of their objects.
            counts = (labels != labels[mix.partner]) & (area > 0) & (area < 1) & (of_own + of_partner >= HIDDEN)
            shares = {name: mix.lam / (mix.lam + mix.lam_partner)}
            if name == 'area (CutMix)':
                shares.update(learned(model, mix, labels))
                shares['one half each'] = torch.full_like(area, 0.5)
            for each, share in shares.items():
                found = torch.stack([share, truth, area, hidden.float()], 1)[counts]
                rows.setdefault(each, []).append(found.double())
    return {name: errors(torch.cat(found)) for name, found in rows.items()}


def errors(rows: Tensor) -> dict[str, float]:
    """The errors in rows of share, truth, area and whether an object is hidden."""
    share, truth, area, hidden = rows.unbind(1)
    some = hidden > 0
    given = torch.where(truth < 0.5, share, 1 - share)
    return dict(
        mixes=len(rows),
        hidden_mixes=int(some.sum()),
        all=float((share - truth).abs().mean()),
        hidden=float((share - truth).abs()[some].mean()),
        area_all=float((area - truth).abs().mean()),
        area_hidden=float((area - truth).abs()[some].mean()),
        given_to_hidden=float(given[some].mean()),
    )
