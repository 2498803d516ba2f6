"""Draw mixed batches of a config's own training data: ``python tools/browse_mix.py CONFIG --output PICTURE.png``."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from matplotlib.image import imsave
from mmengine.config import Config
from torch import Tensor

from mmmix import cli
from mmmix.visualization.browse import arrange, draw_batch


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
    cli.add_trust(parser)
    cli.add_options(parser, 'settings that override')
    return parser.parse_args()


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
    torch.manual_seed(seed)
    # The stock classifier mixes in its preprocessor; ours also runs mixers that look at the model.
    model = cli.build_classifier(config, checkpoint, kind='mmmix.MixClassifier', initialise=True, device='cpu').train()
    if not everything and not list(model.mixers()):
        cli.fail(
            'the config names no mixer of mmmix: add e.g. '
            "`model = dict(train_cfg=dict(augments=[dict(type='mmmix.CutMix')]))`"
        )
    loader = cli.build_loader(config, name='train_dataloader', seed=seed, num_workers=0)
    return arrange(draw_batch(model, loader, rows, everything), columns)


def main() -> None:
    """Draw."""
    args = parse_args()
    config = cli.read_config(args.config, args.cfg_options)
    if args.rows < 1 or args.columns < 1:
        cli.fail('--rows and --columns must be at least 1')
    with cli.loading(args):
        picture = draw(config, args.checkpoint, args.rows, args.seed, args.all, args.columns)
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    imsave(args.output, picture.numpy())
    print(f'Wrote {args.output}')


if __name__ == '__main__':
    main()
