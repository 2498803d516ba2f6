"""``mmmix train CONFIG``."""

from argparse import ArgumentParser, Namespace

from .. import console

HELP = 'Train a model'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='the config file')
    console.add_shared(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or, if none is named, from the newest whole one in the work dir',
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate while training')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size over all ranks'
    )
    parser.add_argument('--no-persistent-workers', action='store_true', help='end the data workers after each epoch')


def check(args: Namespace) -> None:
    """Refuse files that are not there."""
    console.require_file(args.config, 'config')
    if args.resume not in (None, 'auto'):
        console.require_file(args.resume, 'checkpoint')


def run(args: Namespace) -> None:
    """Train."""
    from .. import cli
    from ..engine.switches import use_amp, use_resumable_runs, use_scaled_lr

    config = cli.load_config(args)
    if args.resume == 'auto':
        args.resume = cli.last_checkpoint(config.work_dir)
        if args.resume is None:
            print(f'{config.work_dir} has no checkpoint: training starts from the beginning.')
    if args.resume is not None:
        config.resume = True
        config.load_from = args.resume
    if args.no_validate:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    with console.one_line(ValueError):
        if args.amp:
            use_amp(config)
        if args.auto_scale_lr:
            use_scaled_lr(config)
    cli.set_up_loaders(
        config,
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        pin_memory=not args.no_pin_memory,
        persistent_workers=not args.no_persistent_workers,
    )
    use_resumable_runs(config)
    with cli.loading(args):
        cli.build_runner(config).train()
