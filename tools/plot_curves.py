"""Draw the loss and the accuracy of training runs: ``python tools/plot_curves.py WORK_DIR ...``."""

from argparse import ArgumentParser
from pathlib import Path

from mmmix import console
from mmmix.evaluation.runs import read_points
from mmmix.visualization.curves import draw_curves

ACCURACY = 'accuracy/top1'
X_LABELS = {'loss': 'iteration', ACCURACY: 'evaluation'}


def main() -> None:
    """Draw the curves and print the last accuracies."""
    parser = ArgumentParser(description='Draw the loss and the accuracy of training runs')
    parser.add_argument('work_dirs', metavar='WORK_DIR', type=Path, nargs='+', help='the work dir of a run')
    parser.add_argument('--output', type=Path, help='the picture; default: curves.png in the first work dir')
    args = parser.parse_args()
    output = args.output or args.work_dirs[0] / 'curves.png'

    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for work_dir in args.work_dirs:
        points = read_points(work_dir, *X_LABELS)
        if not points:
            console.fail(f'{str(work_dir)!r} has no logs of a training run')
        for name, line in points.items():
            curves.setdefault(name, {})[str(work_dir)] = line
    settings = {name: dict(xlabel=label, ylabel=name) for name, label in X_LABELS.items()}
    alone = {name: next(iter(lines.values())) for name, lines in curves.items()}
    draw_curves(curves if len(args.work_dirs) > 1 else alone, settings, output)
    print(f'Curves: {output}')
    for run, line in curves.get(ACCURACY, {}).items():
        print(f'Top-1 accuracy at the end: {line[-1][1]:.2f} %  {run}')


if __name__ == '__main__':
    main()
