"""``mmmix browse CONFIG``: draw mixed batches of a config's own training data."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .. import console

HELP = 'Draw mixed batches'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='a config whose `train_cfg` names mixers of mmmix')
    parser.add_argument('--output', '-o', type=Path, help='the picture; default: work_dirs/<config>/mixed_batch.png')
    parser.add_argument('--checkpoint', help='weights for guides that look at the model; default: as initialised')
    parser.add_argument(
        '--all', action='store_true', help='draw all mixers, with their defaults, in place of those of the config'
    )
    parser.add_argument(
        '--rows', type=console.between(int, 1), default=6, help='how many images of each mixer; default: 6'
    )
    parser.add_argument(
        '--columns', type=console.between(int, 1), default=1, help='how many mixers side by side; default: 1'
    )
    parser.add_argument('--seed', type=int, default=0, help='which batch and which mix; default: 0')
    console.add_trust(parser)
    console.add_options(parser, 'settings that override')


def check(args: Namespace) -> None:
    """Refuse files that are not there."""
    console.require_file(args.config, 'config')
    if args.checkpoint is not None:
        console.require_file(args.checkpoint, 'checkpoint')


def draw(config: Any, checkpoint: str | None, rows: int, seed: int, everything: bool = False, columns: int = 1) -> Any:
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
    import torch

    from .. import cli
    from ..visualization.browse import arrange, draw_batch

    torch.manual_seed(seed)
    # The stock classifier mixes in its preprocessor; ours also runs mixers that look at the model.
    model = cli.build_classifier(config, checkpoint, kind='mmmix.MixClassifier', initialise=True, device='cpu').train()
    if not everything and not list(model.mixers()):
        console.fail(
            'the config names no mixer of mmmix: add e.g. '
            "`model = dict(train_cfg=dict(augments=[dict(type='mmmix.CutMix')]))`"
        )
    loader = cli.build_loader(config, name='train_dataloader', seed=seed, num_workers=0)
    return arrange(draw_batch(model, loader, rows, everything), columns)


def run(args: Namespace) -> None:
    """Draw."""
    from matplotlib.image import imsave

    from .. import cli

    config = cli.read_config(args.config, args.cfg_options)
    output = args.output or console.in_work_dirs(args.config, 'mixed_batch.png')
    with cli.loading(args):
        picture = draw(config, args.checkpoint, args.rows, args.seed, args.all, args.columns)
    output.parent.mkdir(parents=True, exist_ok=True)
    imsave(output, picture.numpy())
    print(f'Wrote {output}')
