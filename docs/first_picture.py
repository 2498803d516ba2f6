"""The first picture of the README: what CutMix hides, KeepAugment spares, SUMix says of a label and HardMix brings.

Everything in it is worked out by the package: the importance by `SpectralResidual`, which needs no network; the learned
shares and the hard samples by the small network of `photographs.py`. What is chosen is chosen by a rule, and the README
tells it: of many draws the one that hides most, and the two of one area whose learned shares differ most.
"""

from pathlib import Path
from typing import Any

import torch
from canvas import COLOURS, QUIET, Canvas, heat
from photographs import NAMES, SIZE, batch, crop, hardest, pixels
from torch import Tensor

from mmmix import CutMix, HardMix, HardPool, SelectiveCut, SpectralResidual, sumix_terms, unit_softmax
from mmmix.core import Mix, Partners

GAP, MARGIN, HEAD, FOOT = 18, 4, 40, 34
WIDTH = 2 * MARGIN + 4 * SIZE + 3 * GAP
ROW = HEAD + SIZE + FOOT
DRAWS = 200
#: The share that a box leaves of its image, and the two photographs of each part.
SPARED, SHARED = 0.75, 0.5
OBJECT, LABELLED, HARD = ('rocket', 'cat'), ('cat', 'cup'), 'cat'


class Other(Partners):
    """Each of two images meets the other one."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Partners of a batch."""
        return images, scores, torch.tensor([1, 0])


def cut(share: float, keep: Any = None) -> Any:
    """CutMix of two images with this own share."""
    mixer: Any = CutMix(partners=Other(), keep=keep)
    mixer.draw_share = lambda images: torch.full((1,), share)
    return mixer


def at(mixer: Any, names: tuple[str, ...], seed: int) -> Mix:
    """A draw."""
    torch.manual_seed(seed)
    mix: Mix = mixer.mix(*batch(names))
    return mix


def hidden(importance: Tensor, mix: Mix) -> float:
    """Which part of the importance of the first image lies under the box."""
    return float((importance[0] * (1 - mix.mask[0])).sum() / importance[0].sum())


def learned_share(model: Any, mix: Mix) -> float:
    """What the head's SUMix says of the own share of the first image."""
    with torch.no_grad():
        seen = [model.head.look(model.extract_feat(images)) for images in (mix.pool, mix.images)]
        doubts = [unit_softmax(model.head.uncertainty(features)) for features, _ in seen]
        labels = mix.pool_scores.argmax(1)
        terms = sumix_terms(seen[0][1], seen[1][1], *doubts, labels, mix.partner, mix.lam, mix.lam_partner)
    return float(terms['lam'][0])


def draw(path: Path, model: Any, table: Any) -> dict[str, Any]:
    """Draw it, and tell the numbers in it."""
    canvas = Canvas(WIDTH, 3 * ROW + 2)
    told = {**spare(canvas, 0), **share_out(canvas, ROW, model), **bring(canvas, 2 * ROW, model, table)}
    canvas.save(path)
    return told


def place(column: int) -> int:
    """The left of a column."""
    return MARGIN + column * (SIZE + GAP)


def head(canvas: Canvas, y: int, name: str, text: str) -> None:
    """The line above a row."""
    canvas.text((MARGIN, y + 27), name, 17, bold=True, anchor='ls')
    canvas.text((MARGIN + canvas.width(name, 17, bold=True) + 12, y + 27), text, 14, fill=QUIET, anchor='ls')


def panel(canvas: Canvas, column: int, y: int, image: Tensor, text: str) -> None:
    """An image and the line below it."""
    assert canvas.width(text, 12) < SIZE + GAP, text
    canvas.put(image, (place(column), y + HEAD))
    canvas.text((place(column), y + HEAD + SIZE + 7), text, 12)


def spare(canvas: Canvas, y: int) -> dict[str, Any]:
    """What CutMix hides, and what KeepAugment spares."""
    guide = SpectralResidual()
    importance = guide(*batch(OBJECT))
    free, kept = cut(SPARED), cut(SPARED, SelectiveCut(guide=guide, tau=0.1))
    mixes = [at(free, OBJECT, seed) for seed in range(DRAWS)]
    # Of those whose box was not clipped, which all hide the same area.
    whole = [seed for seed, mix in enumerate(mixes) if abs(float(mix.lam[0]) - SPARED) < 0.01]
    worst = max(whole, key=lambda seed: hidden(importance, mixes[seed]))
    spared = at(kept, OBJECT, worst)
    parts = [hidden(importance, mixes[worst]), hidden(importance, spared)]
    head(canvas, y, 'KeepAugment', 'lets a cut fall where it hides little. CutMix does not look.')
    panel(canvas, 0, y, pixels(mixes[worst].pool[0]), f'a {OBJECT[0]}; its partner is the {OBJECT[1]}')
    panel(canvas, 1, y, pixels(mixes[worst].images[0]), f'CutMix hides {parts[0]:.0%} of the importance')
    picture = heat(importance[0, 0].sqrt())  # more is to be seen than of the map itself
    for mix, colour in ((mixes[worst], 160.0), (spared, 255.0)):
        picture = torch.where(edge(mix.mask[0]), torch.tensor(colour), picture)
    panel(canvas, 2, y, picture, 'importance, and where both cuts fell')
    panel(canvas, 3, y, pixels(spared.images[0]), f'KeepAugment hides {parts[1]:.0%} of it')
    return dict(hidden_by_cutmix=parts[0], hidden_by_keepaugment=parts[1])


def edge(region: Tensor) -> Tensor:
    """The border of a region, two pixels wide."""
    grown, shrunk = (torch.nn.functional.max_pool2d(sign * region[None], 3, 1, 1)[0] * sign for sign in (1, -1))
    return grown != shrunk


def share_out(canvas: Canvas, y: int, model: Any) -> dict[str, Any]:
    """The two mixes of one area whose learned shares differ most."""
    mixes = [at(cut(SHARED), LABELLED, seed) for seed in range(DRAWS)]
    mixes = [mix for mix in mixes if abs(float(mix.lam[0]) - SHARED) < 0.01]
    mixes.sort(key=lambda mix: learned_share(model, mix))
    head(canvas, y, 'SUMix', 'learns the shares of each label. By area these two have the same one.')
    found = []
    for column, mix in ((0, mixes[0]), (2, mixes[-1])):
        own, learned = float(mix.lam[0]), learned_share(model, mix)
        found.append((own, learned))
        panel(canvas, column, y, pixels(mix.images[0]), '')
        x, top = place(column + 1), y + HEAD + 14
        for name, share in (('by area', own), ('as SUMix learned it', learned)):
            canvas.text((x, top), name, 13, fill=QUIET)
            shares = list(zip(LABELLED, (share, 1 - share), COLOURS, strict=False))
            canvas.bars((x, top + 22), SIZE, shares, height=32, size=14)
            top += 106
    return dict(shares=found)


def bring(canvas: Canvas, y: int, model: Any, table: Any) -> dict[str, Any]:
    """The samples that were missed most, and one of them in a mix."""
    hardness, (images, labels, indices) = table.hardness(), hardest(table, 3)
    table.refresh()
    pool = HardPool(size=len(indices), min_size=1, prob=1.0)
    mixer: Any = HardMix(partners=pool, prob=1.0)
    mixer.draw_share = lambda images: torch.full((1,), SPARED)
    mixer.bind(model)
    pool.observe(images, labels, indices)
    assert pool.fill == len(indices), 'they are hard'
    own = batch((HARD, HARD))
    for seed in range(DRAWS):
        torch.manual_seed(seed)
        mix = mixer.mix(*own)
        met = int(pool.drawn[mix.partner[0] - len(own[0])])
        if met == indices[1] and abs(float(mix.lam[0]) - SPARED) < 0.01:  # the first box of it that was not clipped
            break
    partner = NAMES[int(mix.pool_scores[mix.partner[0]].argmax())]
    head(canvas, y, 'HardMix', 'brings the samples that the network keeps missing as partners.')
    for column, index in enumerate(indices):
        name = NAMES[int(labels[column].argmax())]
        panel(canvas, column, y, crop(index), f'{name}: missed {hardness[index]:.0%} of late')
    share = float(mix.lam[0])
    panel(canvas, 3, y, pixels(mix.images[0]), f'{HARD} {share:.2f}, hard {partner} {1 - share:.2f}')
    return dict(hardness=[float(hardness[index]) for index in indices])
