"""The table, the page and the picture of the small-data comparison."""

import statistics
import textwrap
from pathlib import Path
from typing import Any

from scipy.stats import t as student
from small_data_arms import Arm

from mmmix.evaluation.frame import renew, table, write_json

WHAT = """{what}, 16 x 16 pixels, a ResNet of 309 k parameters (one basic block a stage), {epochs} epochs of batch 100,
{views}. Every arm has the same seeds, which fix initialisation, order and views. `top-1` is the median of the last five
epochs on all {tests} test images in percent, mean over the seeds and standard deviation. A difference is that to the
arm's base, seed by seed, with its 95 % interval; **bold** where the interval leaves out zero. `NLL` is the negative
log-likelihood, `ECE` the calibration error in percent{rare}. Half of the {count} runs took less than {seconds:.0f} s of
one core. They were made on several machines, so `ms a step` tells little; costs are compared in [cost.md](cost.md).
Every number is `ours`."""

BEGIN = """# {title}

{what}

{table}

![Differences to the base]({picture})

```bash
python benchmarks/small_data.py DATA{flags} --workers 2 --arms {arms}
```

{hardware}
"""


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval; an infinite one for a single value."""
    if len(values) < 2:
        return values[0], float('inf')
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values), float(half)


def summary(known: dict[str, Arm], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each arm that has runs: its seeds, its values, and the paired differences to its base."""
    by_arm = {name: {run['seed']: run for run in runs if run['arm'] == name} for name in known}
    arms = []
    for name, own in by_arm.items():
        if not own:
            continue
        seeds = sorted(own)
        base = by_arm.get(known[name].base, {})
        common = [seed for seed in seeds if seed in base]
        entry: dict[str, Any] = dict(arm=name, base=known[name].base, seeds=seeds)
        for key in ('top1', 'nll', 'ece', 'rare', 'seconds_a_step'):
            if all(key in own[seed] for seed in seeds):
                entry[key] = [own[seed][key] for seed in seeds]
        for key in [key for key in ('top1', 'nll', 'ece', 'rare') if common and key in entry]:
            mean, half = interval([own[seed][key] - base[seed][key] for seed in common])
            width = round(half, 4) if len(common) > 1 else None
            entry[f'{key}_difference'] = dict(mean=round(mean, 4), half=width, pairs=len(common))
        arms.append(entry)
    return arms


def shown(difference: dict[str, Any] | None, digits: int) -> str:
    """A difference with its interval; one pair has none."""
    if difference is None:
        return ''
    if difference['half'] in (None, float('inf')):
        return f'{difference["mean"]:+.{digits}f}'
    text = f'{difference["mean"]:+.{digits}f} ± {difference["half"]:.{digits}f}'
    return f'**{text}**' if abs(difference['mean']) > difference['half'] else text


#: The columns that :func:`arm_row` fills.
COLUMNS = ['arm', 'base', 'seeds', 'top-1', 'difference', 'NLL', 'difference', 'ECE', 'difference', 'ms a step']
#: Beside these where a few classes have most of the images.
RARE = ['rarest third', 'difference']


def arm_row(arm: dict[str, Any]) -> list[Any]:
    """One arm of a summary as a row of the page."""
    spread = f' ± {statistics.stdev(arm["top1"]):.2f}' if len(arm['seeds']) > 1 else ''
    rare = [f'{statistics.mean(arm["rare"]):.2f}', shown(arm.get('rare_difference'), 2)] if 'rare' in arm else []
    return [
        arm['arm'],
        arm['base'],
        len(arm['seeds']),
        f'{statistics.mean(arm["top1"]):.2f}{spread}',
        shown(arm.get('top1_difference'), 2),
        f'{statistics.mean(arm["nll"]):.3f}',
        shown(arm.get('nll_difference'), 3),
        f'{statistics.mean(arm["ece"]):.2f}',
        shown(arm.get('ece_difference'), 2),
        f'{1000 * statistics.median(arm["seconds_a_step"]):.1f}',
        *rare,
    ]


def store(path: Path, known: dict[str, Arm], setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write what the arms come to into the results."""
    write_json(path, {'setting': setting, 'arms': summary(known, runs), 'runs': runs})


def page(path: Path, known: dict[str, Arm], setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write the page beside the results."""
    arms = summary(known, runs)
    coarse, tuning, tail = setting['coarse'], setting['tuning'], setting.get('tail', 1.0)
    crop = setting.get('crop', 0)
    data = 'CIFAR-100 under its 20 superclasses, on which nothing was tuned' if coarse else 'CIFAR-10'
    each = setting['images'] // (20 if coarse else 10)
    what = WHAT.format(
        what=f'{setting["images"]:,} images of {data}'
        if tail == 1
        else f'Images of {data}, {each:,} of the first class, {round(each / tail):,} of the last one and a constant '
        'factor from class to class, while the test images have as many of each',
        views=f'flips and random crops out of {crop} pixels of black all around, which '
        'leave a network so small less room to overfit'
        if crop
        else 'flips alone: a regime in which a network overfits, so that mixing can show what it is worth',
        rare=', `rarest third` the top-1 on the third of the classes with the fewest images' * (tail > 1),
        epochs=setting['epochs'],
        count=len(runs),
        seconds=statistics.median(run['seconds'] for run in runs),
        tests='held-out training' if tuning else '10,000',
    )
    # Its names and numbers are of many lengths; a break within a link or a code span is none.
    what = textwrap.fill(' '.join(what.split()), 120, break_long_words=False, break_on_hyphens=False)
    text = BEGIN.format(
        title='Does mixing help'
        + ' where a few classes have most of the images' * (tail > 1)
        + ' beside random crops' * bool(crop)
        + " among CIFAR-100's superclasses" * coarse
        + '?',
        what=what,
        table=table(COLUMNS + RARE * all('rare' in arm for arm in arms), map(arm_row, arms)),
        picture=path.with_suffix('.png').name,
        arms=' '.join(arm['arm'] for arm in arms),
        flags=''.join(
            [
                ' --coarse' * coarse,
                ' --tuning' * tuning,
                f' --crop {crop} --epochs {setting["epochs"]}' * bool(crop),
                f' --tail {tail:g} --images {setting["images"]}' * (tail > 1),
            ]
        ),
        hardware=f'Torch {setting["versions"]["torch"]}, one core of a {setting["hardware"]["machine"]} CPU a run, '
        'float32.',
    )
    path.with_suffix('.md').write_text(text, encoding='utf-8')


def first_table(path: Path, runs: list[dict[str, Any]], known: dict[str, Arm]) -> None:
    """Renew the table of the README: the columns that say what a method gains, of the arms with all seeds."""
    arms = summary(known, runs)
    most = max(len(arm['seeds']) for arm in arms)
    head = ['arm', 'against', 'seeds', 'top-1 in percent', 'difference', 'negative log-likelihood', 'calibration error']
    full = [arm for arm in arms if len(arm['seeds']) == most]
    rows = [[*row[:5], row[6], row[8]] for row in map(arm_row, full)]
    renew(path, table(head, rows), 'small-data')


def renew_log(path: Path, runs: list[dict[str, Any]], known: dict[str, Arm], name: str) -> None:
    """Renew one table of the log of what was tried: a line for each arm with a base, by which the base gains or not."""
    head = ['hypothesis', 'arm', 'base', 'pairs', 'top-1', 'NLL', 'ECE', 'rarest third']
    rows = []
    for arm in summary(known, runs):
        if 'top1_difference' in arm:
            pairs, rare = arm['top1_difference']['pairs'], shown(arm.get('rare_difference'), 2)
            changes = [shown(arm[f'{key}_difference'], digits) for key, digits in (('top1', 2), ('nll', 3), ('ece', 2))]
            idea = known[arm['arm']].idea or 'as the package has it'
            rows.append([idea, f'`{arm["arm"]}`', f'`{arm["base"]}`', pairs, *changes, rare])
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    renew(path, table(head, rows), name)


def draw(path: Path, known: dict[str, Arm], runs: list[dict[str, Any]]) -> None:
    """Bars of the differences in accuracy, with their intervals."""
    from matplotlib.figure import Figure

    arms = [arm for arm in summary(known, runs) if arm.get('top1_difference', {}).get('pairs', 0) > 1]
    if not arms:
        return
    figure = Figure(figsize=(7, 0.28 * len(arms) + 1), layout='constrained', dpi=110)
    axis = figure.subplots()
    bases = list(dict.fromkeys(arm['base'] for arm in arms))
    for row, arm in enumerate(reversed(arms)):
        difference = arm['top1_difference']
        colour = f'C{bases.index(arm["base"])}'
        axis.barh(row, difference['mean'], xerr=difference['half'], color=colour, ecolor='0.3', capsize=2)
    axis.set_yticks(range(len(arms)), [f'{arm["arm"]} - {arm["base"]}' for arm in reversed(arms)], fontsize=8)
    axis.axvline(0, color='0.3', linewidth=0.8)
    axis.set_xlabel('difference in top-1, points, with its 95 % interval')
    figure.savefig(path)
