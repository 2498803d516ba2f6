"""Summarise runs as a Markdown table: ``python tools/summarize.py WORK_DIR...``.

For each run the median top-1 of the last 10 evaluations, as the OpenMixup benchmark and the SUMix paper report it;
runs of one config and several seeds are put together, with mean and standard deviation.
"""

from argparse import ArgumentParser
from pathlib import Path

from mmmix import cli
from mmmix.evaluation.runs import as_markdown, summarize


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description='Summarise runs as a Markdown table')
    parser.add_argument('work_dirs', type=Path, nargs='+', help='work dirs of runs, or folders that hold some')
    parser.add_argument('--last', type=int, default=10, metavar='N', help='evaluations that count; default: 10')
    parser.add_argument('--metric', default='accuracy/top1', help='default: accuracy/top1')
    args = parser.parse_args()
    with cli.one_line(ValueError):
        print(as_markdown(summarize(args.work_dirs, args.last, args.metric)))


if __name__ == '__main__':
    main()
