"""Time every mixer beside its peers, on one batch in one run: ``python tools/benchmark_mixers.py``.

The times are medians over interleaved rounds, as ratios to ``images.clone()`` of the same rounds. Guides that look at a
model are replaced by a fixed map: the cost of a guide is its own and is measured elsewhere.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from itertools import product
from pathlib import Path

import torch

from mmmix.evaluation.contenders import SHAPES, as_markdown, measure
from mmmix.evaluation.frame import environment, renew, write_json


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Time mixers beside their peers')
    parser.add_argument('--shapes', nargs='+', choices=SHAPES, default=list(SHAPES), help='batches to mix')
    parser.add_argument('--dtypes', nargs='+', choices=['float32', 'bfloat16'], default=['float32', 'bfloat16'])
    parser.add_argument('--channels-last', action='store_true', help='batches in that layout')
    parser.add_argument('--devices', nargs='+', help='default: cpu, and cuda where there is one')
    parser.add_argument('--methods', nargs='+', help='only these, e.g. CutMix FMix')
    parser.add_argument('--rounds', type=int, default=7, help='how often every contender takes its turn; default: 7')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='threads on a CPU')
    parser.add_argument('--output', default='work_dirs/benchmarks/mixers.json', help='where the JSON goes')
    parser.add_argument('--table', help='a Markdown file whose table between the markers is renewed')
    return parser.parse_args()


def main() -> None:
    """Measure and write."""
    args = parse_args()
    devices = args.devices or ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
    runs = []
    for device, shape, dtype in product(devices, args.shapes, args.dtypes):
        torch.manual_seed(0)
        images = torch.rand(SHAPES[shape], device=device).to(getattr(torch, dtype))
        if args.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        layout = 'channels_last' if args.channels_last else 'contiguous'
        print(f'{device}, {shape} {SHAPES[shape]}, {dtype}, {layout}')
        results = measure(images, args.rounds, args.threads, args.methods)
        found = [asdict(result) for result in results]
        runs.append(dict(device=device, shape=shape, dtype=dtype, layout=layout, results=found))
        for result in results:
            print(f'  {result}')
    output = Path(args.output)
    write_json(output, {**environment(), 'threads': args.threads, 'runs': runs})
    print(f'Wrote {output}')
    if args.table:
        renew(Path(args.table), as_markdown(runs), 'mixers')
        print(f'Renewed the table in {args.table}')


if __name__ == '__main__':
    main()
