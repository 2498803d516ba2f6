"""CutMix against CutMix + SUMix on CIFAR-100, same seeds: what a short run on part of the data shows.

``python benchmarks/sumix_cifar100.py --data DIR`` trains every arm with every seed and writes
``benchmarks/sumix_cifar100.json``; finished runs are read from there and not repeated.
``DIR/{train,test}/<class>/*.png`` is CIFAR-100 as an image folder. With ``--epochs 200 --images-per-class 500
--width 64`` the same script runs the whole protocol on a machine with an accelerator.
"""

import json
import platform
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from mmengine.config import Config

from mmmix.cli import build_runner

ROOT = Path(__file__).resolve().parent.parent
SUMIX = 'resnet18_800e-cutmix-sumix_cifar100.py'
ARMS: dict[str, tuple[str, dict]] = {
    'cutmix': ('resnet18_800e-cutmix_cifar100.py', {}),
    'cutmix + sumix': (SUMIX, {}),
    'cutmix + sumix, detached clean pass': (SUMIX, dict(clean_pass='detached')),
    'cutmix + sumix, signed distance': (SUMIX, dict(distance='signed')),
    'cutmix + sumix, as released': (SUMIX, dict(distance='signed', lam_reduction='batch', scale=None)),
}


def link_subset(data: Path, target: Path, images_per_class: int) -> None:
    """Link the first images of each class, and the whole test split, below ``target``."""
    for split, limit in (('train', images_per_class), ('test', None)):
        for folder in sorted((data / split).iterdir()):
            (target / split / folder.name).mkdir(parents=True)
            for image in sorted(folder.iterdir())[:limit]:
                (target / split / folder.name / image.name).symlink_to(image.resolve())


def config_of(arm: str, seed: int, data: Path, args: Namespace, work_dir: Path) -> Config:
    """The committed config of an arm, made as small and as short as asked."""
    name, head = ARMS[arm]
    config = Config.fromfile(ROOT / 'configs' / 'sumix' / name)
    options = {
        'model.backbone.stem_channels': args.width,
        'model.backbone.base_channels': args.width,
        'model.head.in_channels': 8 * args.width,
        **{f'model.head.{key}': value for key, value in head.items()},
        'data_preprocessor.to_rgb': True,  # image files are read as BGR
        'param_scheduler.end': args.epochs,
        'train_cfg.max_epochs': args.epochs,
        'train_cfg.val_begin': max(1, args.epochs - 4),
        'default_hooks.checkpoint.interval': -1,
        'randomness.seed': seed,
        'work_dir': str(work_dir),
        'log_level': 'WARNING',
        'launcher': 'none',
    }
    for loader, split in (('train_dataloader', 'train'), ('val_dataloader', 'test'), ('test_dataloader', 'test')):
        old = config[loader].dataset
        config[loader].dataset = dict(
            type='CustomDataset',
            data_root=str(data),
            data_prefix=split,
            pipeline=[dict(type='LoadImageFromFile'), *old.pipeline],
        )
        options[f'{loader}.num_workers'] = args.workers
        options[f'{loader}.persistent_workers'] = args.workers > 0
        options[f'{loader}.collate_fn'] = dict(type='default_collate')
    config.merge_from_dict(options)
    return config


def run(arm: str, seed: int, data: Path, args: Namespace) -> dict:
    """Train one arm with one seed.

    Returns:
        dict: The top-1 of the last five epochs, their median, and how long it took.
    """
    with tempfile.TemporaryDirectory() as folder:
        runner = build_runner(config_of(arm, seed, data, args, Path(folder)))
        start = time.perf_counter()
        runner.train()
        seconds = time.perf_counter() - start
        lines = [json.loads(line) for log in Path(folder).glob('*/vis_data/scalars.json') for line in log.open()]
    top1 = [line['accuracy/top1'] for line in lines if 'accuracy/top1' in line]
    return dict(arm=arm, seed=seed, top1=top1, median=statistics.median(top1), seconds=round(seconds, 1))


def markdown(results: dict) -> str:
    """The results as a page: one row for each arm."""
    setting = results['setting']
    page = (
        '# CutMix against CutMix + SUMix on CIFAR-100\n\n'
        f'`python benchmarks/sumix_cifar100.py`, marked `{setting["mark"]}`. {setting["network"]}; {setting["data"]}; '
        f'{setting["epochs"]} epochs; {setting["schedule"]}. {setting["hardware"]}, PyTorch {setting["torch"]}.\n\n'
        'Top-1 in percent: the median of the last five epochs of each seed, then mean and standard deviation over '
        'seeds. '
        "So small a network trained for so short a time says nothing about the paper's claim for 800 epochs; a "
        'difference within the spread says nothing at all.\n\n'
        '| arm | seeds | top-1 of each | mean | spread | minutes a run |\n| --- | --- | --- | --- | --- | --- |\n'
    )
    for arm in ARMS:
        runs = [entry for entry in results['runs'] if entry['arm'] == arm]
        if not runs:
            page += f'| {arm} | - | `not run` | - | - | - |\n'
            continue
        top1 = [entry['median'] for entry in runs]
        spread = f'{statistics.stdev(top1):.2f}' if len(top1) > 1 else '-'
        minutes = statistics.mean(entry['seconds'] for entry in runs) / 60
        seeds = ', '.join(str(entry['seed']) for entry in runs)
        each = ', '.join(f'{value:.2f}' for value in top1)
        page += f'| {arm} | {seeds} | {each} | {statistics.mean(top1):.2f} | {spread} | {minutes:.1f} |\n'
    return page


def main() -> None:
    """Run what is missing, then write the results."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True, help='CIFAR-100 as an image folder')
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks' / 'sumix_cifar100.json')
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--images-per-class', type=int, default=100)
    parser.add_argument('--width', type=int, default=8, help='channels of the first stage; the paper has 64')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1])
    parser.add_argument('--arms', nargs='+', default=list(ARMS), choices=list(ARMS))
    parser.add_argument('--workers', type=int, default=0)
    args = parser.parse_args()

    setting = dict(
        network=f'ResNet-18 (CIFAR stem), {args.width} channels in the first stage',
        data=f'CIFAR-100, {args.images_per_class} training images a class, all test images',
        epochs=args.epochs,
        schedule='SGD 0.9, lr 0.1, weight decay 1e-4, batch 100, cosine to 0',
        hardware=torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f'one core of a CPU ({platform.machine()})',
        torch=torch.__version__,
        mark='ours',
    )
    results: dict = dict(setting=setting, runs=[])
    if args.output.exists():
        found = json.loads(args.output.read_text())
        if found['setting'] != setting:
            parser.error(f'{args.output} holds runs of another setting, which stay: choose another --output')
        results = found
    done = {(entry['arm'], entry['seed']) for entry in results['runs']}
    with tempfile.TemporaryDirectory() as folder:
        link_subset(args.data, Path(folder), args.images_per_class)
        for seed in args.seeds:
            for arm in args.arms:
                if (arm, seed) not in done:
                    results['runs'].append(run(arm, seed, Path(folder), args))
                    args.output.write_text(json.dumps(results, indent=1) + '\n')
    args.output.with_suffix('.md').write_text(markdown(results))
    for arm in args.arms:
        top1 = [entry['median'] for entry in results['runs'] if entry['arm'] == arm]
        spread = statistics.stdev(top1) if len(top1) > 1 else float('nan')
        print(f'{arm}: {statistics.mean(top1):.2f} +- {spread:.2f} ({len(top1)} seeds)')


if __name__ == '__main__':
    main()
