"""Draw where networks look in mixed images: ``python tools/visualize_cam.py CONFIG CHECKPOINT IMAGE IMAGE...``.

The images are mixed by the config's mixer (or by CutMix); each row of the picture has the own image, its partner, the
mixed one, and Grad-CAM maps of both labels on it. With ``--against CONFIG CHECKPOINT`` a second network stands beside.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from torch import Tensor, nn

from mmmix import CutMix, Mix, Mixer, Partners, cli
from mmmix.evaluation import PixelClassifier
from mmmix.evaluation.loading import load_classifier
from mmmix.registry import BATCH_AUGMENTS
from mmmix.visualization import cam_maps, draw_cams


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
    return parser.parse_args()


def read_images(config: Config, model: Any, paths: list[str]) -> Tensor:
    """Images as the config's test pipeline prepares them: pixels in [0, 1], ``(N, 3, H, W)``."""
    given = config.test_dataloader.dataset.pipeline
    steps = [step for step in given if step.type not in ('LoadImageFromFile', 'PackInputs')]
    pipeline = Compose([dict(type='LoadImageFromFile'), *steps, dict(type='PackInputs')])
    packed = [pipeline(dict(img_path=cli.require_file(path, 'image'))) for path in paths]
    if not config.get('data_preprocessor', {}).get('to_rgb', False):
        for each in packed:  # files are read as BGR, but this network is used to RGB
            each['inputs'] = each['inputs'].flip(0)
    if len({tuple(each['inputs'].shape) for each in packed}) > 1:
        cli.fail('the images have several sizes and the test pipeline does not make them one: resize them first')
    done = model.data_preprocessor(default_collate(packed), False)
    return PixelClassifier(model).to_pixels(done['inputs'])


class Neighbours(Partners):
    """Every image meets the one before it, so none meets itself."""

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Partners of a batch."""
        return images, scores, torch.arange(len(images), device=images.device).roll(1)


def find_mixer(config: Config, model: nn.Module, share: float) -> Mixer:
    """The config's first mixer of this package, or CutMix, with a fixed share for every image."""
    augments = config.model.get('train_cfg', {}).get('augments') or []
    augments = [augments] if isinstance(augments, dict) else augments
    mine = [augment for augment in augments if str(augment.get('type')).startswith('mmmix.')]
    mixer: Any = BATCH_AUGMENTS.build({**mine[0], 'prob': 1.0}) if mine else CutMix()
    mixer.partners = Neighbours()
    mixer.bind(model)
    mixer.draw_share = lambda images: torch.full((len(images),), share, device=images.device)
    return mixer


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
        loaded = Config.fromfile(cli.require_file(config, 'config'))
        networks[name] = loaded, load_classifier(loaded, cli.require_file(checkpoint, 'checkpoint'))
    first_config, first = networks[names[0]]
    pixels = read_images(first_config, first, args.images)
    with torch.no_grad():
        logits = PixelClassifier(first)(pixels)
    labels = logits.argmax(1) if args.labels is None else torch.tensor(args.labels, device=pixels.device)
    if len(labels) != len(pixels) or int(labels.max()) >= logits.shape[1]:
        cli.fail(f'--labels must be {len(pixels)} classes below {logits.shape[1]}')

    torch.manual_seed(args.seed)
    inputs = PixelClassifier(first).to_inputs(pixels)
    mix: Mix = find_mixer(first_config, first, args.share).mix(inputs, F.one_hot(labels, logits.shape[1]).float())
    mixed = PixelClassifier(first).to_pixels(mix.images)
    maps: dict[str, Sequence[Tensor]] = {}
    try:
        for name, (_, model) in networks.items():
            maps[name] = [cam_maps(model, mixed, which, args.layer) for which in (labels, labels[mix.partner])]
    except (ModuleNotFoundError, ValueError) as error:
        cli.fail(str(error))
    draw_cams(mix, pixels.cpu(), maps, args.output)
    print(f'Maps: {args.output}')


if __name__ == '__main__':
    main()
