"""Where a classifier's maps say that objects are: ``python tools/localization.py CONFIG CHECKPOINT``.

Prints MaxBoxAcc, its threshold and top-1 localisation on the test images, whose samples must carry their ``box``
(``mmmix.ScatteredDigits`` has it), and writes them with the curve over thresholds as JSON.
"""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from mmmix import cli, console
from mmmix.evaluation import localize
from mmmix.registry import TASK_UTILS


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description="Where a classifier's maps say that objects are")
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument(
        '--guide', default='ClassActivation', help='what gives the maps, a guide of mmmix; default: ClassActivation'
    )
    parser.add_argument('--iou', type=float, default=0.5, help='from which IoU on a box counts; default: 0.5')
    parser.add_argument('--limit', type=int, metavar='N', help='look at about so many images; default: all')
    parser.add_argument('--output', type=Path, metavar='FILE', help='default: work_dirs/<config>/localization.json')
    console.add_trust(parser)
    console.add_options(parser, 'override the config')
    return parser.parse_args()


def main() -> None:
    """Look, print, write."""
    args = parse_args()
    config = cli.read_config(args.config, args.cfg_options)
    with cli.loading(args):
        model = cli.build_classifier(config, args.checkpoint)
    with console.one_line(KeyError, ValueError):
        guide = TASK_UTILS.build(dict(type=f'mmmix.{args.guide}'))
        loader = cli.build_loader(config)
        progress = console.Progress(len(loader), 'Batch', every=2, at_most=args.limit is not None)
        found = localize(model, progress.over(loader), guide, iou=args.iou, limit=args.limit)
    print(f'MaxBoxAcc: {found.max_box_acc:.2f} (at {found.threshold:g}, IoU {args.iou:g}, {found.images} images)')
    print(f'Top-1 localisation: {found.top1_loc:.2f}, top-1: {found.top1:.2f}')
    output = args.output or Path('work_dirs') / Path(args.config).stem / 'localization.json'
    output.parent.mkdir(parents=True, exist_ok=True)
    content = dict(config=args.config, checkpoint=args.checkpoint, guide=args.guide, iou=args.iou, **asdict(found))
    output.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    print(f'Written: {output}')


if __name__ == '__main__':
    main()
