"""``mmmix robustness CONFIG CHECKPOINT``: test a classifier under attack, occlusion and corruption.

Prints one table and writes it as JSON beside a picture of the curves. Any mmpretrain classifier will do.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import console

HELP = 'Test a classifier under attack, occlusion and corruption'
TESTS = ('clean', 'occlusion', 'fgsm', 'pgd', 'corruption')


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument(
        '--output', type=Path, metavar='DIR', help='where results go; default: work_dirs/<config>/robustness'
    )
    parser.add_argument('--tests', nargs='+', choices=TESTS, default=TESTS, help='default: all of them')
    parser.add_argument(
        '--limit', type=console.between(int, 1), metavar='N', help='look at the first so many images; default: all'
    )
    parser.add_argument(
        '--ratios', type=console.between(float, 0, 1), nargs='+', help='shares of masked patches; default: 0.1 to 1'
    )
    parser.add_argument('--epsilons', type=console.between(float, 0, 255), nargs='+', help='of 255; default: 8')
    parser.add_argument('--severities', type=console.between(int, 1, 5), nargs='+', help='default: 1 2 3 4 5')
    parser.add_argument(
        '--cifar-c',
        metavar='DIR',
        help='folder of CIFAR-10-C or CIFAR-100-C; without it eight corruptions are made on the fly, with strengths of '
        'our own',
    )
    parser.add_argument('--corruptions', nargs='+', metavar='NAME', help='default: all there are')
    parser.add_argument('--seed', type=int, default=0, help='of masks, random starts and noise; default: 0')
    console.add_trust(parser)
    console.add_options(parser, 'override the config')


def check(args: Namespace) -> None:
    """Refuse files and folders that are not there."""
    console.require_file(args.config, 'config')
    console.require_file(args.checkpoint, 'checkpoint')
    if args.cifar_c is not None and not Path(args.cifar_c).is_dir():
        console.fail(f'--cifar-c {args.cifar_c!r} is no folder: name that of CIFAR-10-C or CIFAR-100-C')


def run(args: Namespace) -> None:
    """Test, print, write and draw."""
    import json
    from dataclasses import asdict
    from functools import partial

    import torch

    from .. import cli
    from ..evaluation import robustness_table as table
    from ..visualization.curves import draw_curves

    config = cli.read_config(args.config, args.cfg_options)
    output = args.output or console.in_work_dirs(args.config, 'robustness')
    given = {name: getattr(args, name) for name in vars(table.Protocol())}
    protocol = table.Protocol(**{name: value for name, value in given.items() if value is not None})
    with console.one_line(ValueError):
        protocol.check()
    with cli.loading(args):
        model = cli.build_classifier(config, args.checkpoint)
    torch.manual_seed(args.seed)
    results = []
    print(table.HEAD)
    progress = console.Progress(protocol.count(), 'Test')
    with console.one_line(FileNotFoundError, ValueError):
        for result in table.run_tests(model, partial(cli.build_loader, config), protocol):
            results.append(result)
            print(table.row(result))
            progress.step()
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
