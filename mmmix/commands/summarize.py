"""``mmmix summarize WORK_DIR...``.

For each run the median top-1 of the last 10 evaluations, as the OpenMixup benchmark and the SUMix paper report it;
runs of one config and several seeds are put together, with mean and standard deviation.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import console

HELP = 'Summarise runs as a Markdown table'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('work_dirs', type=Path, nargs='+', help='work dirs of runs, or folders that hold some')
    parser.add_argument(
        '--last', type=console.between(int, 1), default=10, metavar='N', help='evaluations that count; default: 10'
    )
    parser.add_argument('--metric', default='accuracy/top1', help='default: accuracy/top1')


def check(args: Namespace) -> None:
    """Refuse folders that are not there."""
    for work_dir in args.work_dirs:
        if not work_dir.is_dir():
            console.fail(f'{str(work_dir)!r} is no folder: name the work dir of a run')


def run(args: Namespace) -> None:
    """Print the table."""
    from ..evaluation.runs import as_markdown, summarize

    with console.one_line(ValueError):
        print(as_markdown(summarize(args.work_dirs, args.last, args.metric)))
