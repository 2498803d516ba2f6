"""``mmmix cam CONFIG CHECKPOINT IMAGE IMAGE...``: draw where networks look in mixed images.

The images are mixed by the config's mixer (or by CutMix); each row of the picture has the own image, its partner, the
mixed one, and Grad-CAM maps of both labels on it. With ``--against CONFIG CHECKPOINT`` a second network stands beside.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import console

HELP = 'Draw where networks look in mixed images'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument('images', nargs='+', help='two image files or more')
    parser.add_argument('--against', nargs=2, metavar=('CONFIG', 'CHECKPOINT'), help='a second network')
    parser.add_argument('--names', nargs='+', help='what to call the networks; default: the names of their configs')
    parser.add_argument(
        '--labels', type=console.between(int, 0), nargs='+', help='class of each image; default: as predicted'
    )
    parser.add_argument('--layer', help='module that gives the maps, e.g. backbone.layer4; default: the last map')
    parser.add_argument(
        '--share', type=console.between(float, 0, 1), default=0.5, help='own share that is drawn; default: 0.5'
    )
    parser.add_argument('--seed', type=int, default=0, help='of partners and places; default: 0')
    parser.add_argument('--output', type=Path, help='the picture; default: work_dirs/<config>/cam.png')
    console.add_trust(parser)


def check(args: Namespace) -> None:
    """Refuse numbers of things that do not fit each other, and files that are not there."""
    if len(args.images) < 2:
        console.fail('mixing takes two images: name another one')
    networks = 2 if args.against else 1
    if args.names is not None and len(args.names) != networks:
        console.fail(f'--names has {len(args.names)} names for {networks} networks')
    if args.labels is not None and len(args.labels) != len(args.images):
        console.fail(f'--labels has {len(args.labels)} classes for {len(args.images)} images')
    for config, checkpoint in [(args.config, args.checkpoint), *([args.against] if args.against else [])]:
        console.require_file(config, 'config')
        console.require_file(checkpoint, 'checkpoint')
    for path in args.images:
        console.require_file(path, 'image')


def run(args: Namespace) -> None:
    """Mix, look and draw."""
    from collections.abc import Sequence

    import torch
    import torch.nn.functional as F
    from torch import Tensor

    from .. import cli
    from ..evaluation import PixelClassifier
    from ..visualization import cam_maps, draw_cams
    from ..visualization.image_files import mixer_at, read_images

    given = [(args.config, args.checkpoint), *([tuple(args.against)] if args.against else [])]
    names = args.names or [Path(config).stem for config, _ in given]
    if len(set(names)) != len(names):
        names = [f'{name} ({i + 1})' for i, name in enumerate(names)]
    networks = {}
    for name, (config, checkpoint) in zip(names, given, strict=True):
        loaded = cli.read_config(config)
        with cli.loading(args):
            networks[name] = loaded, cli.build_classifier(loaded, checkpoint)
    first_config, first = networks[names[0]]
    with console.one_line(ValueError):
        pixels = read_images(first_config, first, args.images)
    with torch.no_grad():
        logits = PixelClassifier(first)(pixels)
    labels = logits.argmax(1) if args.labels is None else torch.tensor(args.labels, device=pixels.device)
    if len(labels) != len(pixels) or int(labels.max()) >= logits.shape[1]:
        console.fail(f'--labels must be {len(pixels)} classes below {logits.shape[1]}')

    torch.manual_seed(args.seed)
    inputs = PixelClassifier(first).to_inputs(pixels)
    mix = mixer_at(first_config, first, args.share).mix(inputs, F.one_hot(labels, logits.shape[1]).float())
    mixed = PixelClassifier(first).to_pixels(mix.images)
    maps: dict[str, Sequence[Tensor]] = {}
    progress = console.Progress(2 * len(networks), 'Map of all images')
    with console.one_line(ModuleNotFoundError, ValueError):
        for name, (_, model) in networks.items():
            found = []
            for which in (labels, labels[mix.partner]):
                found.append(cam_maps(model, mixed, which, args.layer))
                progress.step()
            maps[name] = found
    output = args.output or console.in_work_dirs(args.config, 'cam.png')
    output.parent.mkdir(parents=True, exist_ok=True)
    draw_cams(mix, pixels.cpu(), maps, output)
    print(f'Maps: {output}')
