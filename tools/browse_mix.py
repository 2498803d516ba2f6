"""Draw mixed batches of a config's own training data: ``python tools/browse_mix.py CONFIG --output PICTURE.png``."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.image import imsave
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint
from mmpretrain.models.utils.batch_augments import RandomBatchAugment
from mmpretrain.registry import MODELS
from torch import Tensor

from mmmix import Mix, MixClassifier, Mixer, cli, draw_mix
from mmmix.keep import QuantileKeep, choices_of
from mmmix.models.classifiers.targets import scores_of
from mmmix.registry import BATCH_AUGMENTS


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='Draw mixed batches')
    parser.add_argument('config', help='a config whose `train_cfg` names mixers of mmmix')
    parser.add_argument('--output', '-o', default='mixed_batch.png', help='the picture; default: mixed_batch.png')
    parser.add_argument('--checkpoint', help='weights for guides that look at the model; default: as initialised')
    parser.add_argument(
        '--all', action='store_true', help='draw all mixers, with their defaults, in place of those of the config'
    )
    parser.add_argument('--rows', type=int, default=6, help='how many images of each mixer; default: 6')
    parser.add_argument('--columns', type=int, default=1, help='how many mixers side by side; default: 1')
    parser.add_argument('--seed', type=int, default=0, help='which batch and which mix; default: 0')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that override'
    )
    return parser.parse_args()


def first_mix(mixer: Mixer, images: Tensor, scores: Tensor) -> Mix:
    """A mix in which something was mixed, whatever the mixer's ``prob``.

    Args:
        mixer (Mixer): The mixer.
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)``.

    Returns:
        Mix: The mixed batch.
    """
    prob, mixer.prob = mixer.prob, 1.0
    try:
        return mixer.mix(images, scores)
    finally:
        mixer.prob = prob


def mix_and_maps(mixer: Mixer, images: Tensor, scores: Tensor) -> tuple[Mix, dict[str, Tensor]]:
    """Mix a batch, and tell what the mixer's guide and keep looked at.

    Args:
        mixer (Mixer): The mixer.
        images (Tensor): ``(N, C, H, W)``.
        scores (Tensor): ``(N, K)`` clean labels.

    Returns:
        tuple[Mix, dict[str, Tensor]]: The mix, and columns of the picture, ``(N, 1, H, W)`` each: what the guide says;
        with a keep also the importance of the box around each centre, and in the last one only where the box may fall.
    """
    if not isinstance(mixer.keep, QuantileKeep):
        mix = first_mix(mixer, images, scores)
        guide = mixer.guide
        maps = {} if guide is None else {type(guide).__name__: guide(mix.pool[: len(scores)], scores)}
        return mix, maps
    with choices_of(mixer.keep) as choices:
        mix = first_mix(mixer, images, scores)
    (choice,) = choices
    nowhere = torch.tensor(float('nan'))
    return mix, {
        type(mixer.keep.guide).__name__: choice.importance,
        'box around': torch.where(choice.candidates, choice.sums, nowhere)[:, None],
        'allowed': torch.where(choice.allowed, choice.sums, nowhere)[:, None],
    }


def every_mixer(model: MixClassifier) -> Iterator[Mixer]:
    """All registered mixers with their defaults, as far as they fit the network; the others are named.

    Args:
        model (MixClassifier): What their guides look at.

    Yields:
        Mixer: A mixer in force in the model.
    """
    BATCH_AUGMENTS.import_from_location()
    for name in sorted(BATCH_AUGMENTS.module_dict):
        try:
            model.data_preprocessor.batch_augments = RandomBatchAugment(dict(type=f'mmmix.{name}'))
            (mixer,) = model.mixers()
        except (TypeError, ValueError) as error:  # noqa: PERF203
            print(f'{name} sits out: {error}')
        else:
            yield mixer


def arrange(pictures: list[Tensor], columns: int) -> Tensor:
    """Put pictures into columns, reading from left to right, on white.

    Args:
        pictures (list[Tensor]): ``(H, W, 3)`` each, uint8.
        columns (int): How many side by side.

    Returns:
        Tensor: ``(H, W, 3)``, uint8.
    """
    width = max(picture.shape[1] for picture in pictures)
    lines = []
    for start in range(0, len(pictures), columns):
        line = pictures[start : start + columns]
        height = max(picture.shape[0] for picture in line)
        line = [F.pad(p, (0, 0, 0, width - p.shape[1], 0, height - p.shape[0]), value=255) for p in line]
        lines.append(F.pad(torch.cat(line, 1), (0, 0, 0, width * (columns - len(line))), value=255))
    return torch.cat(lines)


def draw(
    config: Config, checkpoint: str | None, rows: int, seed: int, everything: bool = False, columns: int = 1
) -> Tensor:
    """Draw one batch as every mixer of the config would mix it.

    Args:
        config (Config): The config.
        checkpoint (str, optional): Weights to load.
        rows (int): How many images of each mixer.
        seed (int): Seed of the batch and the mixes.
        everything (bool): Draw all registered mixers in place of the config's. Defaults to False.
        columns (int): How many mixers side by side. Defaults to 1.

    Returns:
        Tensor: The picture, ``(H, W, 3)``, uint8.
    """
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    torch.manual_seed(seed)
    # The stock classifier mixes in its preprocessor; ours also runs mixers that look at the model.
    model = MODELS.build({**config.model, 'type': 'mmmix.MixClassifier'}).train()
    MMLogger.get_current_instance().setLevel('WARNING')
    model.init_weights()
    if checkpoint is not None:
        load_checkpoint(model, cli.require_file(checkpoint, 'checkpoint'), map_location='cpu')
    mixers = every_mixer(model) if everything else iter(list(model.mixers()))
    if not everything and not list(model.mixers()):
        cli.fail('the config names no mixer of mmmix: add e.g. model.train_cfg.augments.type=mmmix.CutMix')
    loader = Runner.build_dataloader(
        {**config.train_dataloader, 'num_workers': 0, 'persistent_workers': False}, seed=seed
    )
    batch = model.data_preprocessor(next(iter(loader)), training=True)
    images, scores = batch['inputs'], scores_of(batch['data_samples'], model.num_classes, batch['inputs'].device)
    classes = (getattr(loader.dataset, 'metainfo', None) or {}).get('classes')
    mean, std = (getattr(model.data_preprocessor, name, None) for name in ('mean', 'std'))
    pictures = []
    for mixer in mixers:
        with torch.no_grad():
            try:
                mix, maps = mix_and_maps(mixer, images, scores)
            except (RuntimeError, ValueError) as error:
                if not everything:
                    raise
                print(f'{type(mixer).__name__} sits out: {error}')
                continue
        pictures.append(torch.from_numpy(draw_mix(mix, mean, std, classes, maps, rows, title=type(mixer).__name__)))
    return arrange(pictures, columns)


def main() -> None:
    """Draw."""
    args = parse_args()
    config = Config.fromfile(cli.require_file(args.config, 'config'))
    config.merge_from_dict(args.cfg_options or {})
    if args.rows < 1 or args.columns < 1:
        cli.fail('--rows and --columns must be at least 1')
    picture = draw(config, args.checkpoint, args.rows, args.seed, args.all, args.columns)
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    imsave(args.output, picture.numpy())
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    main()
