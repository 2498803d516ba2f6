"""``mmmix hard-samples WORK_DIR_OR_CHECKPOINT``: look at the hard samples of a run."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from .. import console

HELP = 'The hardest samples of a run with mmmix.HardSampleHook'


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('source', type=Path, help='a work dir or a checkpoint')
    parser.add_argument(
        '--config', help='the config of the run; default: the last one that was written to the work dir'
    )
    parser.add_argument('--output', type=Path, help='where the files go; default: hard_samples beside the checkpoint')
    parser.add_argument(
        '--top', type=console.between(int, 1), default=64, help='how many images the contact sheet shows; default: 64'
    )
    parser.add_argument(
        '--only',
        choices=['contradicted', 'confirmed'],
        help='show samples whose label the network contradicts, or the others; default: both',
    )
    parser.add_argument('--label', metavar='CLASS', help='show samples of this label, by its name or its number')
    parser.add_argument('--prediction', metavar='CLASS', help='show samples that the network takes for this class')
    parser.add_argument(
        '--predict-all', action='store_true', help='write the prediction of every sample, not only of those looked at'
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load the checkpoint whatever it holds, and run the config in it, whoever wrote them',
    )


def check(args: Namespace) -> None:
    """Refuse what is not there."""
    if not args.source.exists():
        console.fail(f'{str(args.source)!r} does not exist: name a work dir or a checkpoint')
    if args.config:
        console.require_file(args.config, 'config')


def find_config(args: Namespace, checkpoint: dict) -> Any:
    """The config of the run: as named, as MMEngine wrote it to the work dir, or, if asked to, out of the checkpoint.

    Args:
        args (Namespace): The command line.
        checkpoint (dict): The checkpoint, whose config is a program that anybody may have written.
    """
    from mmengine.config import Config

    from .. import cli

    if args.config:
        return cli.read_config(args.config)
    if args.trust_checkpoint:
        return Config.fromstring(checkpoint['meta']['cfg'], '.py')
    written = list(args.source.glob('*.py')) if args.source.is_dir() else []
    if not written:
        console.fail(
            f'{str(args.source)!r} comes without its config: name it with --config, or add --trust-checkpoint to run '
            'the one in the checkpoint'
        )
    return cli.read_config(str(max(written, key=lambda path: path.stat().st_mtime_ns)))


def run(args: Namespace) -> None:
    """Write the contact sheet, the histogram and the table."""
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import DATASETS

    from .. import cli
    from ..compat import read_checkpoint
    from ..engine.training_scan import find_test_pipeline, with_pipeline
    from ..evaluation import hard_samples as hard
    from ..visualization.sheet import draw_histogram, draw_sheet, picture

    path = cli.find_checkpoint(args.source)
    with cli.loading(args):
        checkpoint = read_checkpoint(path)
    if 'hard_samples' not in checkpoint:
        console.fail(f'{str(path)!r} holds no hard-sample table: train with mmmix.HardSampleHook in `custom_hooks`')
    table = checkpoint['hard_samples']
    seen, missed = table['seen'].float(), table['missed'].float()
    hardness = missed / seen.clamp(min=1)
    config = find_config(args, checkpoint)
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    classes = dataset.metainfo.get('classes')
    with console.one_line(ValueError):
        rows = hard.annotations(dataset, len(seen))
        named = (
            None if given is None else hard.class_number(given, classes) for given in (args.label, args.prediction)
        )
        wanted = hard.Wanted(args.only, *named)
    output = args.output or path.parent / 'hard_samples'
    output.mkdir(parents=True, exist_ok=True)

    model = cli.build_classifier(config, checkpoint, device='cpu')
    view = with_pipeline(dataset, find_test_pipeline(config))
    order = hard.hardest_first(hardness)
    labelled = [i for i in order if wanted.labelled(rows[i])]
    # Without a filter every image that is looked at is shown, but for copies; with one, perhaps the last is needed.
    every = args.only is None and args.prediction is None
    steps = min(args.top, len(labelled)) if every else len(labelled)
    progress = console.Progress(steps, 'Image' if every else 'Sample', every=2, at_most=not every)
    looked_at = hard.classify(view, labelled, rows, model)
    hardest, samples = hard.hardest_images(
        looked_at, rows, args.top, wanted, tell=lambda shown: progress.step() if shown or not every else None
    )
    if args.predict_all:
        left = [i for i in order if 'prediction' not in rows[i]]
        progress = console.Progress(len(left), 'Prediction', every=2)
        for _ in progress.over(hard.classify(view, left, rows, model)):
            pass
    hard.write_csv(rows, seen, missed, hardness, output / 'hard_samples.csv')
    if samples:
        preprocessor = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
        images = [picture(sample['inputs'], preprocessor.get('to_rgb', False)) for sample in samples]
        lines = hard.titles(hardest, rows, hardness, classes)
        draw_sheet(images, lines, output / 'hardest.png', [hard.contradicted(rows[i]) for i in hardest])
    else:
        print('No sample is of that kind: there is no contact sheet.')
        (output / 'hardest.png').unlink(missing_ok=True)
    if len(table.get('histogram', ())):
        draw_histogram(table['iterations'], table['histogram'], output / 'histogram.png')
    print(f'{int((seen > 0).sum())} of {len(seen)} samples seen, mean hardness {float(hardness[seen > 0].mean()):.4f}')
    print(f'Written to {output}: ' + ', '.join(sorted(file.name for file in output.iterdir())))
