"""Results of finished runs, read from their work dirs."""

import json
import statistics
from pathlib import Path

from ..core import check
from ..core.fields import whole


def read_points(work_dir: Path, *names: str) -> dict[str, list[tuple[int, float]]]:
    """What MMEngine's ``LocalVisBackend`` has logged, in the order of training.

    A work dir has one log for each start of the training. A later start replaces what it did again: a resumed run goes
    on where it was resumed, a new run in an old work dir begins anew.

    Args:
        work_dir (Path): The work dir of the run.
        names (str): Quantities in MMEngine's ``scalars.json``, e.g. ``'accuracy/top1'``.

    Returns:
        dict[str, list[tuple[int, float]]]: The points (step, value) of each quantity that is there.
    """
    points: dict[str, list[tuple[int, float]]] = {}
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines = [json.loads(line) for line in log.read_text(encoding='utf-8').splitlines() if line.strip()]
        for name in names:
            fresh = [(int(line['step']), float(line[name])) for line in lines if name in line]
            if fresh:
                points[name] = [point for point in points.get(name, []) if point[0] < fresh[0][0]] + fresh
    return points


def summarize(work_dirs: list[Path], last: int = 10, name: str = 'accuracy/top1') -> list[dict]:
    """The median of the last evaluations of each run; runs of one config and different seeds are put together.

    Args:
        work_dirs (list[Path]): Work dirs of runs, or folders that hold some.
        last (int): How many evaluations the median is taken over: the paper's protocol is 10. Defaults to 10.
        name (str): The quantity. Defaults to ``'accuracy/top1'``.

    Returns:
        list[dict]: For each config ``config``, ``medians`` (one per run), ``mean``, ``spread`` (standard deviation,
        None for one run), ``epochs`` and ``last`` (how many evaluations the medians have).

    Raises:
        ValueError: If there is nothing to read.
    """
    check('summarize', last=(last, whole(default=10, least=1)))
    found: dict[str, list[tuple[float, int, int]]] = {}
    for given in work_dirs:
        is_run = bool(list(given.glob('*/vis_data/scalars.json')))
        read = 0
        for run in [given] if is_run else sorted(path for path in given.glob('*') if path.is_dir()):
            values = [value for _, value in read_points(run, name).get(name, [])]
            if values:
                end = values[-last:]
                found.setdefault(config_name(run), []).append((statistics.median(end), len(values), len(end)))
                read += 1
        if not read:
            raise ValueError(f'{str(given)!r} has no logs with {name!r}: name the work dir of a run with evaluations.')
    rows = []
    for config, runs_of in found.items():
        medians = [run[0] for run in runs_of]
        spread = statistics.stdev(medians) if len(medians) > 1 else None
        rows.append(
            dict(
                config=config,
                medians=medians,
                mean=statistics.mean(medians),
                spread=spread,
                epochs=min(run[1] for run in runs_of),
                last=min(run[2] for run in runs_of),
            )
        )
    return rows


def config_name(work_dir: Path) -> str:
    """The name of the config that MMEngine left in a work dir, else the folder's."""
    configs = sorted(work_dir.glob('*.py'))
    return configs[0].stem if configs else work_dir.name


def as_markdown(rows: list[dict]) -> str:
    """The summary as a Markdown table."""
    lines = ['| config | runs | evaluations | top-1 (median of the last) | mean | spread |', '| --- ' * 6 + '|']
    for row in rows:
        medians = ', '.join(f'{value:.2f}' for value in row['medians'])
        spread = '-' if row['spread'] is None else f'{row["spread"]:.2f}'
        lines.append(
            f'| {row["config"]} | {len(row["medians"])} | {row["epochs"]} | {medians} (of {row["last"]}) | '
            f'{row["mean"]:.2f} | {spread} |'
        )
    return '\n'.join(lines)
