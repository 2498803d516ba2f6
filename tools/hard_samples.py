"""Look at the hard samples of a run: ``python tools/hard_samples.py WORK_DIR_OR_CHECKPOINT``."""

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import Tensor

from mmmix import cli
from mmmix.compat import allow_checkpoint_types
from mmmix.engine.training_scan import find_test_pipeline, with_pipeline

matplotlib.use('Agg')
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that is meant: the file itself, or the last one of a work dir."""
    if path.is_file():
        return path
    last = path / 'last_checkpoint'
    if not last.is_file():
        cli.fail(f'{str(path)!r} is neither a checkpoint nor a work dir with a `last_checkpoint`')
    named = Path(last.read_text(encoding='utf-8').strip())
    # A work dir that was moved still holds the file of that name.
    found = path / named.name
    return found if found.is_file() else named


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint that holds a hard-sample table."""
    allow_checkpoint_types()
    checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    if 'hard_samples' not in checkpoint:
        cli.fail(f'{str(path)!r} holds no hard-sample table: train with mmmix.HardSampleHook in `custom_hooks`')
    return checkpoint


def annotations(dataset: Any, length: int) -> list[dict]:
    """Path and label of every sample, and the true label where the data set knows another one."""
    if len(dataset) != length:
        cli.fail(f'the table has {length} rows but the training set {len(dataset)} samples: name the right --config')
    rows = []
    for i in range(length):
        info = dataset.get_data_info(i)
        row = {'index': i, 'path': info.get('img_path', ''), 'label': info.get('gt_label', '')}
        if 'true_label' in info:
            row['true_label'] = info['true_label']
        rows.append(row)
    return rows


def hardest_images(view: Any, rows: list[dict], hardness: Tensor, top: int) -> tuple[list[int], list[dict]]:
    """The hardest samples through the test-time pipeline; copies of an image with one label are shown once."""
    known: set[tuple[bytes, Any]] = set()
    indices, samples = [], []
    for i in hardness.argsort(descending=True, stable=True).tolist():
        sample = view[i]
        key = (sample['inputs'].numpy().tobytes(), rows[i]['label'])
        if key not in known:
            known.add(key)
            indices.append(i)
            samples.append(sample)
        if len(indices) == top:
            break
    return indices, samples


def predictions(config: Config, checkpoint: dict, samples: list[dict]) -> list[int]:
    """What the network in the checkpoint says about some samples."""
    from mmpretrain.registry import MODELS

    settings = dict(config.model)
    settings.setdefault('data_preprocessor', config.get('data_preprocessor'))
    model = MODELS.build(settings).eval()
    model.load_state_dict(checkpoint['state_dict'], strict=False)
    found: list[int] = []
    with torch.no_grad():
        for start in range(0, len(samples), 32):
            data = model.data_preprocessor(default_collate(samples[start : start + 32]), False)
            found += model.head(model.extract_feat(data['inputs'])).argmax(1).tolist()
    return found


def picture(sample: dict, to_rgb: bool) -> np.ndarray:
    """An image as the network gets it, before normalization."""
    image: Tensor = sample['inputs'].float()
    if to_rgb and len(image) == 3:
        image = image.flip(0)
    levels = image.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return levels[..., 0] if levels.shape[-1] == 1 else levels


def draw_sheet(images: list[np.ndarray], titles: list[str], output: Path) -> None:
    """A contact sheet."""
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 2.1 * rows), layout='constrained', squeeze=False)
    for axis in axes.flat:
        axis.axis('off')
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap='gray', vmin=0, vmax=255)
        axis.set_title(title, fontsize=7)
    figure.savefig(output, dpi=120)
    plt.close(figure)


def draw_histogram(iterations: Tensor, histogram: Tensor, output: Path) -> None:
    """Hardness over the course of training: one column for each agreement of the ranks, usually an epoch."""
    share = histogram.float() / histogram.sum(1, keepdim=True).clamp(min=1)
    figure, axis = plt.subplots(figsize=(6, 3.5), layout='constrained')
    # Logarithmic, as most samples are easy before long.
    drawn = axis.imshow(
        share.clamp(min=1e-4).log10().T.numpy(),
        origin='lower',
        aspect='auto',
        extent=(0.5, len(share) + 0.5, 0, 1),
        vmin=-4,
        vmax=0,
    )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=f'epoch ({int(iterations[-1])} iterations in all)', ylabel='hardness')
    bar = figure.colorbar(drawn, label='share of the samples')
    bar.set_ticks([-4, -3, -2, -1, 0], labels=['0.01 % or less', '0.1 %', '1 %', '10 %', '100 %'])
    figure.savefig(output, dpi=120)
    plt.close(figure)


def write_csv(rows: list[dict], seen: Tensor, missed: Tensor, hardness: Tensor, output: Path) -> None:
    """The whole table, hardest samples first."""
    known = ['true_label'] if any('true_label' in row for row in rows) else []
    with output.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, ['index', 'path', 'label', 'seen', 'missed', 'hardness', *known])
        writer.writeheader()
        for i in hardness.argsort(descending=True, stable=True).tolist():
            counts = {'seen': f'{seen[i]:.4f}', 'missed': f'{missed[i]:.4f}', 'hardness': f'{hardness[i]:.4f}'}
            writer.writerow({**rows[i], **counts})


def main() -> None:
    """Write the contact sheet, the histogram and the table."""
    parser = ArgumentParser(description='The hardest samples of a run with mmmix.HardSampleHook')
    parser.add_argument('source', type=Path, help='a work dir or a checkpoint')
    parser.add_argument('--config', help='the config of the run; default: the one in the checkpoint')
    parser.add_argument('--output', type=Path, help='where the files go; default: hard_samples beside the checkpoint')
    parser.add_argument('--top', type=int, default=64, help='how many images the contact sheet shows; default: 64')
    args = parser.parse_args()
    if args.top < 1:
        cli.fail('--top must be at least 1')

    path = find_checkpoint(args.source)
    checkpoint = load(path)
    table = checkpoint['hard_samples']
    seen, missed = table['seen'].float(), table['missed'].float()
    hardness = missed / seen.clamp(min=1)
    config = (
        Config.fromfile(cli.require_file(args.config, 'config'))
        if args.config
        else Config.fromstring(checkpoint['meta']['cfg'], '.py')
    )
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    from mmpretrain.registry import DATASETS

    dataset = DATASETS.build(config.train_dataloader.dataset)
    rows = annotations(dataset, len(seen))
    output = args.output or path.parent / 'hard_samples'
    output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, seen, missed, hardness, output / 'hard_samples.csv')

    view = with_pipeline(dataset, find_test_pipeline(config))
    hardest, samples = hardest_images(view, rows, hardness, args.top)
    said = predictions(config, checkpoint, samples)
    preprocessor = config.model.get('data_preprocessor') or config.get('data_preprocessor') or {}
    classes = dataset.metainfo.get('classes')

    def name(label: Any) -> str:
        return str(classes[label]) if classes and hasattr(label, '__index__') and label < len(classes) else str(label)

    titles = []
    for i, prediction in zip(hardest, said, strict=True):
        true = rows[i].get('true_label', rows[i]['label'])
        truth = f' (true: {name(true)})' if true != rows[i]['label'] else ''
        label = f'label {name(rows[i]["label"])}{truth}'
        titles.append(f'#{i}, hardness {hardness[i]:.2f}\n{label}\nsays {name(prediction)}')
    images = [picture(sample, preprocessor.get('to_rgb', False)) for sample in samples]
    draw_sheet(images, titles, output / 'hardest.png')
    if len(table.get('histogram', ())):
        draw_histogram(table['iterations'], table['histogram'], output / 'histogram.png')
    print(f'{int((seen > 0).sum())} of {len(seen)} samples seen, mean hardness {float(hardness[seen > 0].mean()):.4f}')
    print(f'Written to {output}: ' + ', '.join(sorted(file.name for file in output.iterdir())))


if __name__ == '__main__':
    main()
