"""The page and the picture of ``label_truth.py``."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmmix.evaluation.frame import table

BEGIN = """# Do labels tell the truth about what is visible?

{claim}

{mark}: all numbers are `ours`. {networks} Scenes: {scenes} of `ScatteredDigits`, which are mixed {rounds} times. ±
is the standard deviation over the networks. {hardware}

![Errors of the label shares, and what cuts take of the digit]({picture})

## How far label shares are from what is visible

An object is visible by the part of its own ink that the mask shows. The visible share of the own object is its visible
part, divided by the sum of both visible parts: one half where all of both is to be seen, 1 where the partner is hidden.
The error of a label share is the absolute difference to it. Mixes of two classes, of which something is visible. One
object is hidden where less than 5 % of it is visible; the last column is what its label is given then (the truth is
nearly 0). Each method mixes by its own masks, so the error of the area of the same masks stands beside it.

{shares}

SnapMix's two shares need not add to 1 and are divided by their sum; its partner's ink is counted where it is cut from.
PuzzleMix moves no cells here (`transport=False`), so its mask tells what is visible; TokenMix has `extra_tokens=5` on
8 x 8 tokens, as 14 are to 14 x 14, and looks at the class activation of the ResNet. TransMix was not run: it needs a
vision transformer, and two of four blocks stayed at chance (9.2 and 9.4 % top-1) on these scenes in 25 epochs. SUMix
weighs the very mixes of the first row; as released, the mean of a batch is what acts, and a batch here is 100.

## What cuts take of the object

The mean part of the digit's ink that is cut out, that of the area, and the quotient: 1 is a cut that does not care,
less spares the digit. A selective cut with tau 0.6, by both readings of its candidates; `hidden` is the part of the
scenes in which less than 5 % of the digit is left. The maps are those of the trained networks, with the true label; the
early head was trained with the network; the teacher is the network of another seed. `the ink itself` is the best that
a guide could do. RandomErasing draws whole boxes inside the image, so both readings of its candidates are one.
FineGrained, which sees no network, rates the ground around a digit higher than the digit: with it cuts take more of the
digit than without a keep. {not_asked}

{cuts}

`python benchmarks/label_truth.py`; numbers in [{json}]({json}).
"""


def over(runs: list[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]) -> tuple[float, float] | None:
    """Mean and standard deviation over the networks for which there is a value; None for none."""
    found = [each for each in map(value, runs) if each is not None]
    return (statistics.mean(found), statistics.stdev(found) if len(found) > 1 else 0.0) if found else None


def cell(found: tuple[float, float] | None, digits: int = 3) -> str:
    """Mean and deviation."""
    return '' if found is None else f'{found[0]:.{digits}f} ± {found[1]:.{digits}f}'


def names(runs: list[dict[str, Any]]) -> list[str]:
    """All methods, in the order in which they were measured."""
    return list(dict.fromkeys(name for run in runs for name in run['shares']))


def of_share(runs: list[dict[str, Any]], name: str, key: str) -> tuple[float, float] | None:
    """A number of a method over the networks."""
    return over(runs, lambda run: run['shares'].get(name, {}).get(key))


def of_cut(runs: list[dict[str, Any]], cut: str, guide: str, candidates: str, key: str) -> tuple[float, float] | None:
    """A number of a cut over the networks; ``ratio`` is the ink by the area."""

    def value(run: dict[str, Any]) -> float | None:
        for row in run['cuts']:
            if (row['cut'], row['guide'], row['candidates']) == (cut, guide, candidates):
                return row['ink'] / row['area'] if key == 'ratio' else row[key]
        return None

    return over(runs, value)


def share_rows(runs: list[dict[str, Any]]) -> list[list[Any]]:
    """The first table."""
    rows = []
    for name in names(runs):
        mixes = [run['shares'][name] for run in runs if name in run['shares']]
        hidden = statistics.mean(each['hidden_mixes'] / each['mixes'] for each in mixes)
        cells = [cell(of_share(runs, name, key)) for key in ('all', 'area_all', 'hidden', 'area_hidden')]
        rows.append([name, *cells, f'{100 * hidden:.0f} %', cell(of_share(runs, name, 'given_to_hidden'))])
    return rows


def cut_names(runs: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """All cuts and all guides."""
    rows = [row for run in runs for row in run['cuts']]
    guides = list(dict.fromkeys(row['guide'] for row in rows if row['candidates']))
    last = 'the ink itself'
    return list(dict.fromkeys(row['cut'] for row in rows)), [*(g for g in guides if g != last), last]


def cut_rows(runs: list[dict[str, Any]]) -> list[list[Any]]:
    """The second table."""
    cuts, guides = cut_names(runs)
    rows = []
    for cut in cuts:
        for guide, candidates in [('no keep', ''), *((g, c) for g in guides for c in ('inside', 'clipped'))]:
            numbers = [of_cut(runs, cut, guide, candidates, key) for key in ('ink', 'area', 'ratio', 'hidden')]
            if numbers[0] is not None:
                rows.append([cut, guide, candidates, *map(cell, numbers)])
    return rows


def claim_of(runs: list[dict[str, Any]]) -> str:
    """What came out, in one sentence."""

    def mean(name: str, key: str) -> float:
        found = of_share(runs, name, key)
        assert found is not None
        return found[0]

    sumix = [name for name in names(runs) if name.startswith('SUMix, l2')]
    best = min(sumix, key=lambda name: mean(name, 'hidden'))
    area = 'area (CutMix)'
    better = 'nearer to' if mean(best, 'all') < mean(area, 'all') else 'farther from'
    plain = of_cut(runs, 'CutMix', 'no keep', '', 'ratio')
    kept = of_cut(runs, 'CutMix', 'InputGradient', 'clipped', 'ratio')
    assert plain is not None
    assert kept is not None
    by = best.removeprefix('SUMix, ')
    given = [f'{100 * mean(name, "given_to_hidden"):.0f} %' for name in (area, best)]
    error = [f'{mean(name, "all"):.3f}' for name in (best, area)]
    return (
        f'Where one of two objects is hidden, the area still gives {given[0]} of the label to it and SUMix ({by}) '
        f"{given[1]}, while over all mixes SUMix's shares are {better} the visible shares than the area (mean error "
        f'{error[0]} against {error[1]}); and a selective cut by the gradient brings the ink that CutMix removes, for '
        f'each area, from {plain[0]:.2f} to {kept[0]:.2f}.'
    )


def page(path: Path, setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write the page."""
    cuts = ['cut', 'guide', 'candidates', 'ink', 'area', 'ink by area', 'hidden']
    shares = [
        'label share', 'error, all mixes', "its masks' area", 'error, one hidden', "its masks' area",
        'mixes with one hidden', 'given to the hidden one',
    ]  # fmt: skip
    told = []
    for kind, what in (('resnet', 'ResNets of 78 k parameters'), ('vit', 'vision transformers of four blocks')):
        of_kind = [run for run in runs if run['kind'] == kind]
        if of_kind:
            right = over(of_kind, lambda run: run['accuracy'])
            told.append(f'{len(of_kind)} {what} ({setting["epochs"]} epochs, {cell(right, 1)} % top-1)')
    missing = setting['not_asked']
    text = BEGIN.format(
        claim=claim_of(runs),
        mark='Counted, on objects whose ink is known',
        networks=f'{" and ".join(told)}, trained by {setting["config"]}.',
        scenes='the 890 test scenes',
        rounds=setting['rounds'],
        hardware=f'torch {setting["versions"]["torch"]}, one thread of a shared {setting["hardware"]["machine"]} CPU.',
        picture=path.with_suffix('.png').name,
        shares=table(shares, share_rows(runs)),
        cuts=table(cuts, cut_rows(runs)),
        not_asked=f'Guides that were not asked: {", ".join(missing)}.'
        if missing
        else 'Every registered guide was asked.',
        json=path.with_suffix('.json').name,
    )
    path.write_text(text, encoding='utf-8')


def draw(path: Path, runs: list[dict[str, Any]]) -> None:
    """Two panels: the errors of all label shares, and what cuts take of the digit for each area."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.5), layout='constrained', dpi=110)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    methods = list(reversed(names(runs)))
    for row, name in enumerate(methods):
        for offset, key, colour in ((0.2, 'all', 'C0'), (-0.2, 'hidden', 'C3')):
            found = of_share(runs, name, key)
            assert found is not None
            left.barh(row + offset, found[0], 0.38, xerr=found[1], color=colour, ecolor='0.3', capsize=2)
            area = of_share(runs, name, f'area_{key}')
            assert area is not None
            left.plot([area[0]] * 2, [row + offset - 0.19, row + offset + 0.19], color='black', linewidth=2)
    left.set_yticks(range(len(methods)), methods, fontsize=8)
    left.set_xlabel('mean error of the label share (shorter is truer)')
    for colour, label in (('C0', 'all mixes'), ('C3', 'one object hidden')):
        left.barh([0], [0], color=colour, label=label)
    left.plot([], [], color='black', linewidth=2, label='area of the same masks')
    left.legend(fontsize=8)
    cuts, guides = cut_names(runs)
    lines = ['no keep', *guides]
    for row, guide in enumerate(reversed(lines)):
        for number, cut in enumerate(cuts):
            for candidates, marker in (('', 'D'), ('inside', 'o'), ('clipped', 'x')):
                found = of_cut(runs, cut, guide, candidates, 'ratio')
                if found is not None:
                    right.errorbar(
                        found[0], row + 0.22 * (1 - number), xerr=found[1], marker=marker, color=f'C{number}', capsize=2
                    )
    right.set_yticks(range(len(lines)), list(reversed(lines)), fontsize=8)
    right.axvline(1, color='0.3', linewidth=0.8)
    right.set_xlabel('ink by area that is cut (left of 1 spares; o inside, x clipped)')
    for number, cut in enumerate(cuts):
        right.plot([], [], 'o', color=f'C{number}', label=cut)
    right.legend(fontsize=8)
    figure.savefig(path)
