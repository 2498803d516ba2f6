"""``mmmix export CHECKPOINT --to torchvision|mmdet|detectron2|timm``: a trained classifier for another package.

Writes the backbone, for torchvision and timm the linear head too, under that package's names, and beside it a JSON with
what its images must be and the lines that load it. Where the other network can be built here, both are compared.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import console

HELP = 'Write a trained classifier with the names of another package'
NEEDS = ('engine.export',)
TARGETS = ('torchvision', 'mmdet', 'detectron2', 'timm')
#: From which difference on, over the largest value, the networks are not the same.
TOLERANCE = 1e-3


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('checkpoint', type=Path, help='the checkpoint file')
    parser.add_argument('--to', choices=TARGETS, required=True, help='whose names')
    parser.add_argument(
        '--config', help="the config file; default: the one in MMEngine's checkpoints, which is not run"
    )
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='default: <checkpoint>-<to>.pth beside it; a JSON comes with it'
    )
    console.add_trust(parser)
    console.add_options(parser, 'override the config')


def check(args: Namespace) -> None:
    """Refuse files that are not there, and an output that would replace what is read."""
    console.require_file(str(args.checkpoint), 'checkpoint')
    if args.config is not None:
        console.require_file(args.config, 'config')
    if args.output is None:
        args.output = args.checkpoint.with_name(f'{args.checkpoint.stem}-{args.to}.pth')
    if args.output.suffix == '.json':
        console.fail(f'--output gets a JSON beside it: let the weights end in .pth, not {args.output.name!r}')
    if args.output.resolve() == args.checkpoint.resolve():
        console.fail(f'--output {str(args.output)!r} is the checkpoint itself: name another file')


def run(args: Namespace) -> None:
    """Read, export, compare, write, print."""
    import json

    from .. import cli
    from ..compat import read_checkpoint
    from ..engine import export as work
    from ..engine.checkpoint_config import config_in
    from ..engine.checkpoint_files import write_whole
    from ..engine.export_lines import about_export
    from ..engine.foreign_forms import ExportError

    with cli.loading(args):
        checkpoint = read_checkpoint(args.checkpoint)
    if not isinstance(checkpoint, dict):
        console.fail(f'{str(args.checkpoint)!r} holds no weights but a {type(checkpoint).__name__}')
    with console.one_line(ExportError):
        if args.config is not None:
            config = cli.read_config(args.config, args.cfg_options)
        else:
            config = config_in(checkpoint)
            config.merge_from_dict({key: cli.parsed(value) for key, value in (args.cfg_options or {}).items()})
        model = cli.build_classifier(config, device='cpu')
        exported = work.export(model, config, args.to, work.load_weights(model, checkpoint))
        difference = work.largest_difference(exported, model, work.size_for(model))
    if difference is not None and not difference < TOLERANCE:
        console.fail(f"{args.to}'s network differs by {difference:.1g} of the largest value; nothing was written")
    about = dict(checkpoint=str(args.checkpoint), **about_export(exported, str(args.output)))
    about['largest_difference'] = difference
    write_whole(args.output, exported.content())
    beside = args.output.with_suffix('.json')
    beside.write_text(json.dumps(about, indent=1) + '\n', encoding='utf-8')
    pixels = about['preprocessing']
    print(f'Weights of {about["weights"]}; head {about["head"]}')
    print(
        f'Images: {pixels["channels"]}, {pixels["range"]}, mean {pixels["mean"]}, std {pixels["std"]}',
        f'({pixels["known_by"]})',
    )
    if difference is not None:
        print(
            f"Compared with {args.to}'s network on random images: it differs by {difference:.1g} of the largest value"
        )
    else:
        print(f"Not compared: {args.to}'s network was not built here")
    print(f'\n{about["lines"]}\n\nWritten: {args.output} and {beside}')
