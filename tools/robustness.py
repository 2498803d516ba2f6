"""Test a classifier under attack, occlusion and corruption: ``python tools/robustness.py CONFIG CHECKPOINT``.

Prints one table and writes it as JSON beside a picture of the curves. Any mmpretrain classifier will do.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from mmmix import cli
from mmmix.evaluation import robustness_table as table
from mmmix.visualization.curves import draw_curves

DEFAULTS = table.Protocol()


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Test a classifier under attack, occlusion and corruption')
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument(
        '--output', type=Path, metavar='DIR', help='where results go; default: work_dirs/<config>/robustness'
    )
    parser.add_argument('--tests', nargs='+', choices=table.TESTS, default=DEFAULTS.tests, help='default: all of them')
    parser.add_argument('--limit', type=int, metavar='N', help='look at about so many images; default: all')
    parser.add_argument('--ratios', type=float, nargs='+', default=DEFAULTS.ratios, help='shares of masked patches')
    parser.add_argument('--epsilons', type=float, nargs='+', default=DEFAULTS.epsilons, help='of 255; default: 8')
    parser.add_argument('--severities', type=int, nargs='+', default=DEFAULTS.severities, help='default: 1 2 3 4 5')
    parser.add_argument(
        '--cifar-c',
        metavar='DIR',
        help='folder of CIFAR-10-C or CIFAR-100-C; without it eight corruptions are made on the fly, with strengths of '
        'our own',
    )
    parser.add_argument('--corruptions', nargs='+', metavar='NAME', help='default: all there are')
    parser.add_argument('--seed', type=int, default=0, help='of masks, random starts and noise; default: 0')
    cli.add_trust(parser)
    cli.add_options(parser, 'override the config')
    return parser.parse_args()


def main() -> None:
    """Test, print, write and draw."""
    args = parse_args()
    config = cli.read_config(args.config, args.cfg_options)
    output = args.output or Path('work_dirs') / Path(args.config).stem / 'robustness'
    with cli.loading(args):
        model = cli.build_classifier(config, args.checkpoint)
    torch.manual_seed(args.seed)
    results = []
    print(table.HEAD)
    protocol = table.Protocol(**{name: getattr(args, name) for name in vars(DEFAULTS)})
    with cli.one_line(FileNotFoundError, ValueError):
        for result in table.run_tests(model, partial(cli.build_loader, config), protocol):
            results.append(result)
            print(table.row(result))
    mean = table.mean_corrupted(results)
    if mean is not None:
        print(f'Mean top-1 over corruptions and severities: {mean:.2f}')
    output.mkdir(parents=True, exist_ok=True)
    made = 'published' if args.cifar_c else 'on the fly'
    content = dict(config=args.config, checkpoint=args.checkpoint, seed=args.seed, corruptions=made)
    content['results'] = [asdict(result) for result in results]
    (output / 'robustness.json').write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    axes = {
        test: dict(title=test, xlabel=amount, ylabel='top-1 (%)', ylim=(0, 100))
        for test, amount in table.AMOUNTS.items()
    }
    draw_curves(table.mean_curves(results), axes, output / 'robustness.png', panel=(4, 3.2))
    print(f'Written: {output}')


if __name__ == '__main__':
    main()
