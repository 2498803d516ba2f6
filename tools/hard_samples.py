"""Look at the hard samples of a run: ``python tools/hard_samples.py WORK_DIR_OR_CHECKPOINT``."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS

from mmmix import cli
from mmmix.engine.training_scan import find_test_pipeline, with_pipeline
from mmmix.evaluation.hard_samples import annotations, hardest_images, predictions, titles, write_csv
from mmmix.visualization.sheet import draw_histogram, draw_sheet, picture


def parse_args() -> Namespace:
    """Read the command line.

    Returns:
        Namespace: The arguments.
    """
    parser = ArgumentParser(description='The hardest samples of a run with mmmix.HardSampleHook')
    parser.add_argument('source', type=Path, help='a work dir or a checkpoint')
    parser.add_argument('--config', help='the config of the run; default: the one in the checkpoint')
    parser.add_argument('--output', type=Path, help='where the files go; default: hard_samples beside the checkpoint')
    parser.add_argument('--top', type=int, default=64, help='how many images the contact sheet shows; default: 64')
    args = parser.parse_args()
    if args.top < 1:
        cli.fail('--top must be at least 1')
    return args


def main() -> None:
    """Write the contact sheet, the histogram and the table."""
    args = parse_args()
    path = cli.find_checkpoint(args.source)
    checkpoint = cli.read_checkpoint(path)
    if 'hard_samples' not in checkpoint:
        cli.fail(f'{str(path)!r} holds no hard-sample table: train with mmmix.HardSampleHook in `custom_hooks`')
    table = checkpoint['hard_samples']
    seen, missed = table['seen'].float(), table['missed'].float()
    hardness = missed / seen.clamp(min=1)
    config = cli.read_config(args.config) if args.config else Config.fromstring(checkpoint['meta']['cfg'], '.py')
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    with cli.one_line(ValueError):
        rows = annotations(dataset, len(seen))
    output = args.output or path.parent / 'hard_samples'
    output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, seen, missed, hardness, output / 'hard_samples.csv')

    view = with_pipeline(dataset, find_test_pipeline(config))
    hardest, samples = hardest_images(view, rows, hardness, args.top)
    said = predictions(cli.build_classifier(config, checkpoint, device='cpu'), samples)
    preprocessor = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
    images = [picture(sample['inputs'], preprocessor.get('to_rgb', False)) for sample in samples]
    named = titles(hardest, rows, hardness, said, dataset.metainfo.get('classes'))
    draw_sheet(images, named, output / 'hardest.png')
    if len(table.get('histogram', ())):
        draw_histogram(table['iterations'], table['histogram'], output / 'histogram.png')
    print(f'{int((seen > 0).sum())} of {len(seen)} samples seen, mean hardness {float(hardness[seen > 0].mean()):.4f}')
    print(f'Written to {output}: ' + ', '.join(sorted(file.name for file in output.iterdir())))


if __name__ == '__main__':
    main()
