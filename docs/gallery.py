"""The gallery: what every method makes of the same two photographs, a row a method, in one even grid."""

import inspect
from pathlib import Path
from typing import Any

import torch
from canvas import COLOURS, LINE, QUIET, Canvas, heat
from photographs import NAMES, pixels
from pictures import STAND_INS, needs_network
from torch import Tensor

from mmmix import HardPool, History, console, mixers
from mmmix.core import Mix, Preserving
from mmmix.visualization.browse import mix_and_maps

#: What defaults do not show at this size, or what would not mix: arguments of the pictures, told in their rows.
SETTINGS: dict[str, dict[str, Any]] = {
    'Cutout': dict(length=48),
    'KeepCutout': dict(length=48),
    'TimmMixup': dict(mixup_alpha=0.0, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=5),
    'HardMix': dict(partners=HardPool(min_size=1, prob=1.0)),
    'RegMixup': dict(alpha=1.0),
    'MixStyle': dict(at=('',)),
    'MoEx': dict(at=('',)),
    'ManifoldMix': dict(at=('',)),
    'AlignMix': dict(at=('',)),
}
UNTOLD = ('num_classes', 'label_smoothing', 'alpha')
#: What takes more than photographs.
OTHERS = {'KeepPaste': 'which pastes clean views of augmented images back'}
#: Images are mixed at this size; a cell is smaller.
SIZE, CELL, GAP = 112, 84, 8
WIDTH, TOP, FIRST = 900, 34, 186
COLUMNS = ('own image', 'partner', 'importance', 'mask', 'mixed')
LABEL = FIRST + len(COLUMNS) * (CELL + GAP)
DRAWS = 60


def rows() -> dict[str, tuple[Any, list[str]]]:
    """Every method that can be drawn of two photographs alone, as :func:`made` makes it."""
    methods = {name: made(name) for name in sorted(mixers.__all__, key=str.lower) if name not in OTHERS}
    return {name: row for name, row in methods.items() if not row[0].learns}


def made(name: str) -> tuple[Any, list[str]]:
    """A mixer that always mixes, and what of it differs from its defaults."""
    kind = getattr(mixers, name)
    takes = inspect.signature(kind.__init__).parameters
    given = dict(SETTINGS.get(name, {}))
    must = [slot for slot in STAND_INS if slot in takes and takes[slot].default is inspect.Parameter.empty]
    plain = kind(**given, **{slot: STAND_INS[slot] for slot in must})
    asks = [slot for slot in STAND_INS if slot in takes and needs_network(getattr(plain, slot))]
    stand_ins = {slot: STAND_INS[slot] for slot in {*must, *asks}}
    mixer = kind(**{**stand_ins, **given})
    shown = {
        name: value for name, value in given.items() if isinstance(value, int | float | str) and name not in UNTOLD
    }
    where = ['at the input'] if 'at' in given else []
    return mixer, [*where, *(f'{name}={value!r}' for name, value in shown.items())]


def drawn(mixer: Any, images: Tensor, scores: Tensor) -> tuple[Mix, dict[str, Tensor]]:
    """Of many draws the first in which the first image meets the second and both are well seen, or the nearest."""
    best, found = -1.0, None
    for seed in range(DRAWS):
        torch.manual_seed(seed)
        if isinstance(mixer.partners, History):  # another batch came before this one
            mixer.mix(images.roll(-1, 0), scores.roll(-1, 0))
        mix, maps = mix_and_maps(mixer, images, scores)
        own = float(mix.mask[0].mean())
        if isinstance(mixer, Preserving):
            value = min(own, 1 - own)
        else:  # the second image, unless the method always takes another one
            value = min(float(mix.scores[0, 0]), 0.01 + float(mix.scores[0, 1]), float(1 - mix.lam[0]))
            if not value:  # the label is kept: as much of a change as there is
                met = int(mix.pool_scores[mix.partner[0]].argmax()) == 1
                value = met * float((mix.images[0] - mix.pool[0]).abs().mean().clamp(max=2)) / 10
        if value > best:
            best, found = value, (mix, maps)
        if best > 0.3:
            break
    assert found is not None, type(mixer).__name__
    return found


def draw(path: Path, images: Tensor, model: Any, hard: tuple[Tensor, Tensor, list[int]]) -> None:
    """Draw it.

    Args:
        path (Path): Where it goes.
        images (Tensor): ``(4, 3, SIZE, SIZE)``, normalised, of the first four classes; the first two are in every row.
        model (ImageClassifier): A network that knows them, for whoever needs one.
        hard (tuple): Images, labels and indices of samples that it finds hard, for who asks for those.
    """
    methods = rows()
    learned = [name for name in sorted(mixers.__all__, key=str.lower) if name not in {*methods, *OTHERS}]
    canvas = Canvas(WIDTH, TOP + len(methods) * (CELL + GAP) + 22 + 18 * len(OTHERS))
    canvas.text((4, 8), 'method', 13, bold=True)
    for column, title in enumerate(COLUMNS):
        canvas.text((FIRST + column * (CELL + GAP) + CELL / 2, 8), title, 13, bold=True, anchor='ma')
    canvas.text((LABEL + 4, 8), 'label', 13, bold=True)
    progress = console.Progress(len(methods), 'Method', every=2)
    for row, name in enumerate(progress.over(methods)):
        mixer, told = methods[name]
        mixer.bind(model)
        if isinstance(mixer.partners, HardPool):
            mixer.partners.observe(*hard)
        mix, maps = drawn(mixer, images, torch.eye(len(NAMES))[: len(images)])
        y = TOP + row * (CELL + GAP)
        canvas.draw.line((0, y - GAP / 2, WIDTH, y - GAP / 2), fill=LINE)
        guide = [f'importance: {next(iter(maps))}'] if maps else []
        lines = [*guide, *told]
        canvas.text((4, y + CELL / 2 - 8 * len(lines)), name, 14, bold=True, anchor='lm')
        for line, text in enumerate(lines):
            canvas.text((4, y + CELL / 2 - 8 * len(lines) + 19 + 16 * line), text, 10, fill=QUIET, anchor='lm')
        partner = not isinstance(mixer, Preserving)
        heats = [heat(next(iter(maps.values()))[0, 0])] if maps else [None]
        cells = [pixels(mix.pool[0]), pixels(mix.pool[mix.partner[0]]) if partner else None, *heats]
        for column, cell in enumerate([*cells, mix.mask[0, 0].float(), pixels(mix.images[0])]):
            at = FIRST + column * (CELL + GAP), y
            if cell is None:
                canvas.text((at[0] + CELL / 2, y + CELL / 2), '-', 14, fill=QUIET, anchor='mm')
            else:
                canvas.put(cell.expand(SIZE, SIZE) if cell.ndim == 2 else cell, at, CELL)
        shares = [
            (NAMES[k], share, colour)
            for k, (share, colour) in enumerate(zip(mix.scores[0].tolist(), COLOURS, strict=False))
            if share > 0.004
        ]
        canvas.bars((LABEL + 4, y + CELL // 2 - 10 * len(shares)), WIDTH - LABEL - 4, shares, height=20)
    y = TOP + len(methods) * (CELL + GAP)
    canvas.draw.line((0, y - GAP / 2, WIDTH, y - GAP / 2), fill=LINE)
    lines = [f'Not drawn: {", ".join(learned)}, which bring losses or weights of their own.']
    for line, text in enumerate(lines + [f'Not drawn: {name}, {why}.' for name, why in OTHERS.items()]):
        canvas.text((4, y + 4 + 18 * line), text, 12, fill=QUIET)
    canvas.save(path)
