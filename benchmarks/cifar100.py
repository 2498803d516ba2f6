"""What the comparisons on CIFAR-100 share: part of the data, a config made small and short, and a file of results.

``DIR/{train,test}/<class>/*.png`` is CIFAR-100 as an image folder.
"""

import json
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import torch
from mmengine.config import Config

from mmmix.cli import build_runner
from mmmix.evaluation.frame import Results, hardware, mean_and_deviation, table

ROOT = Path(__file__).resolve().parent.parent


def add_arguments(
    parser: ArgumentParser, script: str, arms: Iterable[str], epochs: int, images: int, width: int
) -> None:
    """The arguments of every comparison, with its own defaults."""
    parser.add_argument('--data', type=Path, required=True, help='CIFAR-100 as an image folder')
    parser.add_argument('--output', type=Path, default=Path(script).with_suffix('.json'))
    parser.add_argument('--epochs', type=int, default=epochs)
    parser.add_argument('--images-per-class', type=int, default=images)
    parser.add_argument('--width', type=int, default=width, help='channels of the first stage; the paper has 64')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1])
    parser.add_argument('--arms', nargs='+', default=list(arms), choices=list(arms))
    parser.add_argument('--workers', type=int, default=0)


def link_subset(data: Path, target: Path, images_per_class: int) -> None:
    """Link the first images of each class, and the whole test split, below ``target``."""
    for split, limit in (('train', images_per_class), ('test', None)):
        for folder in sorted((data / split).iterdir()):
            (target / split / folder.name).mkdir(parents=True)
            for image in sorted(folder.iterdir())[:limit]:
                (target / split / folder.name / image.name).symlink_to(image.resolve())


def shrink(config: Config, seed: int, data: Path, args: Namespace, last: int) -> Config:
    """A committed config, made as small and as short as asked; the last epochs are tested."""
    options = {
        'model.backbone.stem_channels': args.width,
        'model.backbone.base_channels': args.width,
        'model.head.in_channels': 8 * args.width,
        'data_preprocessor.to_rgb': True,  # image files are read as BGR
        'param_scheduler.end': args.epochs,
        'train_cfg.max_epochs': args.epochs,
        'train_cfg.val_begin': max(1, args.epochs - last + 1),
        'default_hooks.checkpoint.interval': -1,
        'randomness.seed': seed,
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


def train(config: Config) -> dict:
    """Train, and tell the top-1 of the tested epochs, their median, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = build_runner(config)
        start = time.perf_counter()
        runner.train()
        seconds = time.perf_counter() - start
        lines = [json.loads(line) for log in Path(folder).glob('*/vis_data/scalars.json') for line in log.open()]
    top1 = [line['accuracy/top1'] for line in lines if 'accuracy/top1' in line]
    return dict(top1=top1, median=statistics.median(top1), seconds=round(seconds, 1))


def setting_of(args: Namespace, schedule: str) -> dict:
    """What every run in one file of results has in common."""
    return dict(
        network=f'ResNet-18 (CIFAR stem), {args.width} channels in the first stage',
        data=f'CIFAR-100, {args.images_per_class} training images a class, all test images',
        epochs=args.epochs,
        schedule=schedule,
        hardware=hardware('one core of a CPU ({machine})'),
        torch=torch.__version__,
        mark='ours',
    )


def table_of(results: Results, arms: Iterable[str]) -> str:
    """One row for each arm: the median of each seed, then mean and standard deviation over seeds."""
    rows = []
    for arm in arms:
        runs = sorted((run for run in results.runs if run['arm'] == arm), key=lambda run: run['seed'])
        if not runs:
            rows.append([arm, '-', '`not run`', '-', '-', '-'])
            continue
        top1 = [run['median'] for run in runs]
        mean, spread = mean_and_deviation(top1)
        minutes = statistics.mean(run['seconds'] for run in runs) / 60
        seeds = ', '.join(str(run['seed']) for run in runs)
        each = ', '.join(f'{value:.2f}' for value in top1)
        rows.append([arm, seeds, each, f'{mean:.2f}', '-' if spread is None else f'{spread:.2f}', f'{minutes:.1f}'])
    return table(['arm', 'seeds', 'top-1 of each', 'mean', 'spread', 'minutes a run'], rows) + '\n'


def story(setting: dict) -> str:
    """The setting in one sentence or two."""
    s = setting
    return (
        f'marked `{s["mark"]}`. {s["network"]}; {s["data"]}; {s["epochs"]} epochs; {s["schedule"]}. '
        f'{s["hardware"][0].upper()}{s["hardware"][1:]}, PyTorch {s["torch"]}.'
    )


def compare(
    parser: ArgumentParser,
    args: Namespace,
    schedule: str,
    config_of: Callable[[str], Config],
    page: Callable[[Results], str],
    last: int,
) -> None:
    """Train every arm with every seed that is not in the results yet, then write the page.

    Args:
        parser (ArgumentParser): What ends the program if the results are of another setting.
        args (Namespace): Its arguments.
        schedule (str): The schedule in words.
        config_of (Callable[[str], Config]): The committed config of an arm.
        page (Callable[[Results], str]): The page about the results, Markdown.
        last (int): How many of the last epochs are tested.
    """
    try:
        results = Results(args.output, setting_of(args, schedule))
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        link_subset(args.data, Path(folder), args.images_per_class)
        results.complete(
            (dict(arm=arm, seed=seed) for seed, arm in product(args.seeds, args.arms)),
            lambda arm, seed: train(shrink(config_of(arm), seed, Path(folder), args, last)),
        )
    args.output.with_suffix('.md').write_text(page(results))
    print(table_of(results, args.arms))
