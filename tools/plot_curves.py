"""Draw the loss and the accuracy of a training run: ``python tools/plot_curves.py WORK_DIR``."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt

ACCURACY = 'accuracy/top1'
X_LABELS = {'loss': 'iteration', ACCURACY: 'evaluation'}


def read_points(work_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what MMEngine's ``LocalVisBackend`` has logged.

    A work dir has one log for each start of the training. A later start replaces what it did again, so a resumed run
    goes on where it was resumed, and a new run in an old work dir begins anew.

    Args:
        work_dir (Path): The work dir of the run.

    Returns:
        dict[str, list[tuple[int, float]]]: The points (step, value) of each quantity.
    """
    points: dict[str, list[tuple[int, float]]] = {}
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        fresh: dict[str, list[tuple[int, float]]] = {}
        for line in log.read_text(encoding='utf-8').splitlines():
            entry = json.loads(line)
            for name in X_LABELS:
                if name in entry:
                    fresh.setdefault(name, []).append((entry['step'], entry[name]))
        for name, new in fresh.items():
            points[name] = [old for old in points.get(name, []) if old[0] < new[0][0]] + new
    return points


def main() -> None:
    """Draw the curves and print the last accuracy."""
    parser = ArgumentParser(description='Draw the loss and the accuracy of a training run')
    parser.add_argument('work_dir', type=Path, help='the work dir of the run')
    parser.add_argument('--output', type=Path, help='the picture; default: curves.png in the work dir')
    args = parser.parse_args()
    output = args.output or args.work_dir / 'curves.png'

    points = read_points(args.work_dir)
    if not points:
        sys.exit(f'plot_curves.py: error: {str(args.work_dir)!r} has no logs of a training run')
    figure, axes = plt.subplots(1, len(points), figsize=(5 * len(points), 3.5), layout='constrained', squeeze=False)
    for axis, (name, curve) in zip(axes[0], points.items(), strict=True):
        axis.plot(*zip(*curve, strict=True), marker='.')
        axis.set(xlabel=X_LABELS[name], ylabel=name)
        axis.grid(alpha=0.3)
    figure.savefig(output, dpi=120)
    print(f'Curves: {output}')
    if ACCURACY in points:
        print(f'Top-1 accuracy at the end: {points[ACCURACY][-1][1]:.2f} %')


if __name__ == '__main__':
    main()
