"""The page of ``benchmarks/fidelity.py``."""

from typing import Any

from mmmix.evaluation.frame import table

HEAD = """# Whether each method is its paper's

`python benchmarks/fidelity.py`, {images}.

Every method that mmmix registers, beside a slow reference of its law, written anew from the paper, from the authors'
code (`code`) or, where neither says more, from our reading. A verdict is `same`, `differs` and why, or `no
reference`. Where a law follows salience, both sides are given the same maps (fine-grained saliency) unless the guide
is part of the method. Settings are those of the committed CIFAR-100 config; `-` has none of its own.
`tests/mixers/test_fidelity_laws.py` runs the same comparisons on fewer images, and fails for a method without an
entry.

Tables of what is **drawn** (mixers): each image has a draw of its own. `mean` and `spread` are those of the own share
(of the area that stays, where the own label does), `KS` is their Kolmogorov-Smirnov distance from the reference,
`statistic` is one of the mask: changes down the columns over those along the rows (FMix), boxes that touch the border
(boxes), the area that stays (grids), the standard deviation of the mask within an image (soft masks), outputs that
hold one input (CoMixup), neighbouring pixels of which one is the own image's (cells and tokens), the importance that
is gone (grafts, windows, KeepAugment).

Tables of what is **worked out**: both sides get the same masks, maps, networks or logits. `reference` and `ours` are
the means of what is compared, `apart` is the largest difference; frequencies and deciles are counted, so that chance
is in it.
"""
TITLES = dict(
    mixers='Mixers',
    partners='Partners',
    guides='Guides',
    keeps="Keeps, and KeepAugment's transforms",
    labels='Labels',
    transforms='Transforms',
    heads='Heads and losses',
)


def markdown(result: dict) -> str:
    """The page.

    Args:
        result (dict): What ``fidelity.json`` holds.
    """
    text = HEAD.format(images=result['setting']['images'])
    for section, title in TITLES.items():
        text += f'\n## {title}\n\n'
        if section == 'mixers':
            text += drawn(result['rows']) + '\n\n'
        text += worked_out([row for row in result['given'] if row['section'] == section]) + '\n'
        for row in result['without']:
            if row['section'] == section:
                text += f'\n{row["method"]}: no reference, {row["why"]}.\n'
        if section == 'guides' and result['saliency'] is not None:
            text += opencv(result['saliency'])
    return text


def drawn(rows: list[dict]) -> str:
    """The table of what mixers draw."""
    lines: list[list[Any]] = []
    for row in rows:
        reference = row['law'] == 'authors'
        numbers = [f'{row[key]:.3f}' for key in ('mean', 'spread', 'statistic')]
        distance = None if 'ks' not in row else f'{row["ks"]:.3f}'
        lines.append([row['mixer'] if reference else None, row['source'] if reference else f'`{row["law"]}`', *numbers,
                      distance, row.get('label'), row.get('settings'), row.get('verdict')])  # fmt: skip
    return table(['mixer', 'law', 'mean', 'spread', 'statistic', 'KS', 'label', 'settings', 'verdict'], lines)


def worked_out(rows: list[dict]) -> str:
    """A table of what is worked out from something given."""
    lines = [
        [row['method'], f'{row["law"]} ({row["source"]})',
         'default' if row['ours'] == 'ours' else f'`{row["ours"]}`', row['compared'],
         f'{row["mean_theirs"]:.4g}', f'{row["mean_ours"]:.4g}', f'{row["apart"]:.2g}', row['settings'], row['verdict']]
        for row in rows
    ]  # fmt: skip
    return table(['method', 'law', 'arguments', 'compared', 'reference', 'ours', 'apart', 'settings', 'verdict'], lines)


def opencv(found: dict) -> str:
    """The paragraph about OpenCV's detector."""
    return (
        f'\n### FineGrained beside OpenCV\n\nOver {found["images"]} images the maps have a correlation of '
        f'{found["correlation"]:.4f} on average (least {found["least_correlation"]:.3f}); the peak lies within 3 '
        f"pixels of OpenCV's in {100 * found['peak_within_3']:.1f} %, and OpenCV's own map is at least "
        f'{found["least_of_peak_at_ours"]:.3f} of its peak where ours peaks: the rest is its rounding. Given '
        "normalised floats, as SaliencyMix's authors do, OpenCV reads their bytes as pixels: that peak lies within "
        f'3 pixels of the one of the image in {100 * found["floats_peak_within_3"]:.1f} %, and their boxes have a '
        f'mean own share of {found["floats_own_share"]:.3f}; around the peaks of the image it is '
        f'{found["own_share"]:.3f}.\n'
    )
