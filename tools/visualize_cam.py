"""Draw where networks look in mixed images: ``python tools/visualize_cam.py CONFIG CHECKPOINT IMAGE IMAGE...``.

The images are mixed by the config's mixer (or by CutMix); each row of the picture has the own image, its partner, the
mixed one, and Grad-CAM maps of both labels on it. With ``--against CONFIG CHECKPOINT`` a second network stands beside.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmmix import cli
from mmmix.evaluation import PixelClassifier
from mmmix.visualization import cam_maps, draw_cams
from mmmix.visualization.image_files import mixer_at, read_images


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Draw where networks look in mixed images')
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    parser.add_argument('images', nargs='+', help='two image files or more')
    parser.add_argument('--against', nargs=2, metavar=('CONFIG', 'CHECKPOINT'), help='a second network')
    parser.add_argument('--names', nargs='+', help='what to call the networks; default: the names of their configs')
    parser.add_argument('--labels', type=int, nargs='+', help='class of each image; default: as predicted')
    parser.add_argument('--layer', help='module that gives the maps, e.g. backbone.layer4; default: the last map')
    parser.add_argument('--share', type=float, default=0.5, help='own share that is drawn; default: 0.5')
    parser.add_argument('--seed', type=int, default=0, help='of partners and places; default: 0')
    parser.add_argument('--output', type=Path, default=Path('cam.png'), help='the picture; default: cam.png')
    cli.add_trust(parser)
    return parser.parse_args()


def main() -> None:
    """Mix, look and draw."""
    args = parse_args()
    if len(args.images) < 2:
        cli.fail('mixing takes two images: name another one')
    given = [(args.config, args.checkpoint), *([tuple(args.against)] if args.against else [])]
    names = args.names or [Path(config).stem for config, _ in given]
    if len(names) != len(given):
        cli.fail(f'--names has {len(names)} names for {len(given)} networks')
    if len(set(names)) != len(names):
        names = [f'{name} ({i + 1})' for i, name in enumerate(names)]
    networks = {}
    for name, (config, checkpoint) in zip(names, given, strict=True):
        loaded = cli.read_config(config)
        with cli.loading(args):
            networks[name] = loaded, cli.build_classifier(loaded, checkpoint)
    first_config, first = networks[names[0]]
    paths = [cli.require_file(path, 'image') for path in args.images]
    with cli.one_line(ValueError):
        pixels = read_images(first_config, first, paths)
    with torch.no_grad():
        logits = PixelClassifier(first)(pixels)
    labels = logits.argmax(1) if args.labels is None else torch.tensor(args.labels, device=pixels.device)
    if len(labels) != len(pixels) or int(labels.max()) >= logits.shape[1]:
        cli.fail(f'--labels must be {len(pixels)} classes below {logits.shape[1]}')

    torch.manual_seed(args.seed)
    inputs = PixelClassifier(first).to_inputs(pixels)
    mix = mixer_at(first_config, first, args.share).mix(inputs, F.one_hot(labels, logits.shape[1]).float())
    mixed = PixelClassifier(first).to_pixels(mix.images)
    maps: dict[str, Sequence[Tensor]] = {}
    with cli.one_line(ModuleNotFoundError, ValueError):
        for name, (_, model) in networks.items():
            maps[name] = [cam_maps(model, mixed, which, args.layer) for which in (labels, labels[mix.partner])]
    draw_cams(mix, pixels.cpu(), maps, args.output)
    print(f'Maps: {args.output}')


if __name__ == '__main__':
    main()
