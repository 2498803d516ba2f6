"""``mmmix localize CONFIG CHECKPOINT``: where a classifier's maps say that objects are.

Prints MaxBoxAcc, its threshold and top-1 localisation on the test images, whose samples must carry their ``box``
(``mmmix.ScatteredDigits`` has it), and writes them with the curve over thresholds as JSON.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import console

HELP = "Say where a classifier's maps show objects, beside boxes that are known"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument(
        '--guide', default='ClassActivation', help='what gives the maps, a guide of mmmix; default: ClassActivation'
    )
    parser.add_argument(
        '--iou', type=console.between(float, 0, 1), default=0.5, help='from which IoU on a box counts; default: 0.5'
    )
    parser.add_argument(
        '--limit', type=console.between(int, 1), metavar='N', help='look at about so many images; default: all'
    )
    parser.add_argument('--output', type=Path, metavar='FILE', help='default: work_dirs/<config>/localization.json')
    console.add_trust(parser)
    console.add_options(parser, 'override the config')


def check(args: Namespace) -> None:
    """Refuse files that are not there."""
    console.require_file(args.config, 'config')
    console.require_file(args.checkpoint, 'checkpoint')


def run(args: Namespace) -> None:
    """Look, print, write."""
    import json
    from dataclasses import asdict

    from .. import cli, guides
    from ..evaluation import localize
    from ..registry import TASK_UTILS

    kinds = {name: getattr(guides, name) for name in guides.__all__}
    known = [name for name, kind in kinds.items() if isinstance(kind, type) and kind is not guides.Guide]
    if args.guide not in known:
        console.fail(f'there is no guide {args.guide}: there are {console.listed(known)}')
    config = cli.read_config(args.config, args.cfg_options)
    with cli.loading(args):
        model = cli.build_classifier(config, args.checkpoint)
    with console.one_line(ModuleNotFoundError, KeyError, ValueError):
        guide = TASK_UTILS.build(dict(type=f'mmmix.{args.guide}'))
        loader = cli.build_loader(config)
        progress = console.Progress(len(loader), 'Batch', every=2, at_most=args.limit is not None)
        found = localize(model, progress.over(loader), guide, iou=args.iou, limit=args.limit)
    print(f'MaxBoxAcc: {found.max_box_acc:.2f} (at {found.threshold:g}, IoU {args.iou:g}, {found.images} images)')
    print(f'Top-1 localisation: {found.top1_loc:.2f}, top-1: {found.top1:.2f}')
    output = args.output or console.in_work_dirs(args.config, 'localization.json')
    output.parent.mkdir(parents=True, exist_ok=True)
    content = dict(config=args.config, checkpoint=args.checkpoint, guide=args.guide, iou=args.iou, **asdict(found))
    output.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    print(f'Written: {output}')
