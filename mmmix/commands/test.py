"""``mmmix test CONFIG CHECKPOINT``."""

from argparse import ArgumentParser, Namespace

from .. import console

HELP = 'Test a model'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='the config file')
    parser.add_argument('checkpoint', help='the checkpoint file')
    console.add_shared(parser)
    parser.add_argument('--out', metavar='FILE', help='write predictions (.pkl) or metrics (.json, .yml, .pkl) here')
    parser.add_argument('--out-item', choices=['metrics', 'pred'], help='what --out gets; default: pred')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the predictions and write the pictures here')
    parser.add_argument('--show', action='store_true', help='draw the predictions in a window')
    parser.add_argument(
        '--interval', type=console.between(int, 1), default=1, metavar='N', help='draw every N-th image; default: 1'
    )
    parser.add_argument(
        '--wait-time', type=console.between(float, 0), default=2, metavar='SECONDS', help='per window; default: 2'
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="augment at test time, with the config's `tta_pipeline` and `tta_model` or else by flipping",
    )


def check(args: Namespace) -> None:
    """Refuse flags that do not fit each other, and files that are not there."""
    if args.out is None and args.out_item is not None:
        console.fail('--out-item says what to write, --out where: add --out FILE')
    if args.out is not None and args.out_item is None:
        args.out_item = 'pred'
    if args.out_item == 'pred' and not args.out.endswith(('.pkl', '.pickle')):
        console.fail(f'predictions are pickled: let --out end in .pkl, not {args.out!r}, or add --out-item metrics')
    if args.out_item == 'metrics' and not args.out.endswith(('.json', '.yml', '.yaml', '.pkl', '.pickle')):
        console.fail(f'metrics are written as .json, .yml or .pkl: let --out end so, not {args.out!r}')
    if args.tta and (args.show or args.show_dir is not None):
        console.fail('MMPretrain cannot draw the several views of --tta: remove --show and --show-dir, or --tta')
    console.require_file(args.config, 'config')
    console.require_file(args.checkpoint, 'checkpoint')


def run(args: Namespace) -> None:
    """Test."""
    import mmengine
    from mmengine.dist import is_main_process
    from mmengine.evaluator import DumpResults

    from .. import cli
    from ..engine.switches import use_tta, use_visualization

    config = cli.load_config(args)
    config.load_from = args.checkpoint
    config.resume = False
    if args.amp:
        config.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        with console.one_line(ValueError):
            use_visualization(config, args.show, args.wait_time, args.show_dir, args.interval)
    if args.tta:
        use_tta(config)
    cli.set_up_loaders(config, 'test_dataloader', pin_memory=not args.no_pin_memory, persistent_workers=False)

    with cli.loading(args):
        runner = cli.build_runner(config)
        if args.out_item == 'pred':
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.out))
        metrics = runner.test()
    if args.out_item == 'metrics' and is_main_process():
        mmengine.dump(metrics, args.out)
