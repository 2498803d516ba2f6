"""``mmmix bench``: time every mixer beside its peers, on one batch in one run.

The times are medians over interleaved rounds, as ratios to ``images.clone()`` of the same rounds. Guides that look at a
model are replaced by a fixed map: the cost of a guide is its own and is measured elsewhere.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from itertools import product
from pathlib import Path

from .. import console

HELP = 'Time mixers beside their peers'
#: Imports that other packages comment on.
NEEDS = ('evaluation.contenders',)
DTYPES = ['float32', 'bfloat16']


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('--shapes', nargs='+', metavar='SHAPE', help='batches to mix; default: all there are')
    parser.add_argument('--dtypes', nargs='+', choices=DTYPES, default=DTYPES)
    parser.add_argument('--channels-last', action='store_true', help='batches in that layout')
    parser.add_argument('--devices', nargs='+', help='default: cpu, and cuda where there is one')
    parser.add_argument('--methods', nargs='+', help='only these, e.g. CutMix FMix')
    parser.add_argument(
        '--rounds', type=console.between(int, 1), default=7, help='how often every contender takes its turn; default: 7'
    )
    parser.add_argument('--threads', type=console.between(int, 1), help='threads on a CPU')
    parser.add_argument('--output', default='work_dirs/benchmarks/mixers.json', help='where the JSON goes')
    parser.add_argument('--table', help='a Markdown file whose table between the markers is renewed')


def check(args: Namespace) -> None:
    """Refuse a page that is not there."""
    if args.table is not None:
        console.require_file(args.table, 'table')


def run(args: Namespace) -> None:
    """Measure and write."""
    import torch

    from .. import mixers
    from ..evaluation.contenders import SHAPES, as_markdown, measure
    from ..evaluation.frame import environment, renew, write_json

    unknown = [shape for shape in args.shapes or [] if shape not in SHAPES]
    if unknown:
        console.fail(f'--shapes has no {", ".join(unknown)}: there are {", ".join(SHAPES)}')
    unknown = [method for method in args.methods or [] if method not in mixers.__all__]
    if unknown:
        console.fail(f'--methods has no {", ".join(unknown)}: there are {", ".join(mixers.__all__)}')
    threads = args.threads or torch.get_num_threads()
    devices = args.devices or ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    runs: list[dict] = []
    output = Path(args.output)
    settings = list(product(devices, args.shapes or SHAPES, args.dtypes))
    progress = console.Progress(len(settings), 'Setting')
    for device, shape, dtype in settings:
        torch.manual_seed(0)
        images = torch.rand(SHAPES[shape], device=device).to(getattr(torch, dtype))
        if args.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        layout = 'channels_last' if args.channels_last else 'contiguous'
        print(f'{device}, {shape} {SHAPES[shape]}, {dtype}, {layout}')
        results = measure(images, args.rounds, threads, args.methods)
        found = [asdict(result) for result in results]
        runs.append(dict(device=device, shape=shape, dtype=dtype, layout=layout, results=found))
        for result in results:
            print(f'  {result}')
        # After each of them: what was measured is not lost when the rest is stopped.
        write_json(output, {**environment(), 'threads': threads, 'runs': runs})
        progress.step()
    print(f'Wrote {output}')
    if args.table:
        renew(Path(args.table), as_markdown(runs), 'mixers')
        print(f'Renewed the table in {args.table}')
