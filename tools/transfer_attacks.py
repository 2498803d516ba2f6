"""Attack a classifier with its own gradients and with another one's.

``python tools/transfer_attacks.py CONFIG CHECKPOINT --source CONFIG CHECKPOINT`` prints top-1 under FGSM and I-FGSM,
white box and black box, and writes them as JSON. Without ``--source`` there is the white box alone.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from mmmix import cli, console
from mmmix.evaluation import robustness_table as table
from mmmix.evaluation import transfer


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Attack a classifier with its own gradients and with those of another one')
    parser.add_argument('config', help='the config of the classifier that is tested; its test images are attacked')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        '--source', nargs=2, metavar=('CONFIG', 'CHECKPOINT'), help='whose gradients make the black-box attacks'
    )
    parser.add_argument('--epsilons', type=float, nargs='+', default=[4.0], help='of 255; default: 4')
    parser.add_argument('--steps', type=int, default=10, help='of I-FGSM; default: 10')
    parser.add_argument('--step', type=float, help='of I-FGSM, of 255; default: epsilon divided by the steps')
    parser.add_argument('--limit', type=int, metavar='N', help='look at about so many images; default: all')
    parser.add_argument('--output', type=Path, metavar='FILE', help='default: work_dirs/<config>/transfer.json')
    console.add_trust(parser)
    console.add_options(parser, 'override the config')
    return parser.parse_args()


def main() -> None:
    """Attack, print, write."""
    args = parse_args()
    config = cli.read_config(args.config, args.cfg_options)
    with cli.loading(args):
        target = cli.build_classifier(config, args.checkpoint)
        source = None
        if args.source:
            source = cli.build_classifier(cli.read_config(args.source[0], args.cfg_options), args.source[1])
    results, common = [], dict(epsilons=args.epsilons, steps=args.steps, limit=args.limit, step=args.step)
    print(table.HEAD)
    with console.one_line(FileNotFoundError, ValueError):
        whoses = [None] if source is None else [None, source]
        progress = console.Progress(len(whoses) * (1 + 2 * len(args.epsilons)), 'Test')
        for whose in whoses:
            for result in progress.over(transfer(target, whose, cli.build_loader(config), **common)):
                if result.test == 'clean' and whose is not None:
                    continue
                results.append(result)
                print(table.row(result))
    output = args.output or Path('work_dirs') / Path(args.config).stem / 'transfer.json'
    output.parent.mkdir(parents=True, exist_ok=True)
    content = dict(config=args.config, checkpoint=args.checkpoint, source=args.source, steps=args.steps, step=args.step)
    content['results'] = [asdict(result) for result in results]
    output.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    print(f'Written: {output}')


if __name__ == '__main__':
    main()
