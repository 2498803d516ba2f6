"""Draw the loss and the accuracy of a training run: ``python tools/plot_curves.py WORK_DIR``."""

from argparse import ArgumentParser
from pathlib import Path

from mmmix import cli
from mmmix.evaluation.runs import read_points
from mmmix.visualization.curves import draw_curves

ACCURACY = 'accuracy/top1'
X_LABELS = {'loss': 'iteration', ACCURACY: 'evaluation'}


def main() -> None:
    """Draw the curves and print the last accuracy."""
    parser = ArgumentParser(description='Draw the loss and the accuracy of a training run')
    parser.add_argument('work_dir', type=Path, help='the work dir of the run')
    parser.add_argument('--output', type=Path, help='the picture; default: curves.png in the work dir')
    args = parser.parse_args()
    output = args.output or args.work_dir / 'curves.png'

    points = read_points(args.work_dir, *X_LABELS)
    if not points:
        cli.fail(f'{str(args.work_dir)!r} has no logs of a training run')
    draw_curves(points, {name: dict(xlabel=label, ylabel=name) for name, label in X_LABELS.items()}, output)
    print(f'Curves: {output}')
    if ACCURACY in points:
        print(f'Top-1 accuracy at the end: {points[ACCURACY][-1][1]:.2f} %')


if __name__ == '__main__':
    main()
