"""Wrong labels: what mixing is worth when 20, 50 or 80 % of them are random, and whether HardMix's memory finds them.

In the regime of ``small_data.py``, as in Table 2 of `mixup <https://arxiv.org/abs/1710.09412>`_: that part of the
training labels is replaced by random ones, the test labels are not. Best and last test accuracy, and the area under
the ROC curve of the memory's hardness against "this label is wrong". ``drop`` and ``relabel`` train a first network
with the memory, then a second one without what the memory found, or with the first network's labels for it.

    python benchmarks/small_data_noise.py DATA --workers 2
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from small_data_arms import HARD, Arm
from small_data_images import Images, load_images
from small_data_jobs import run_all
from small_data_runs import LAST, train
from small_data_tables import interval, shown
from torch import Tensor

from mmmix.evaluation.frame import Results, environment, table, write_json

PAGE = """# Wrong labels

{images:,} images of CIFAR-10, of which a part has random labels, in the regime of [small_data.md](small_data.md);
{count} seeds, {epochs} epochs. `best` and `last` test accuracy in percent, mean and standard deviation; `last` is the
median of the last five epochs. The difference is that of `last` to the arm's base, seed by seed, with its 95 %
interval, **bold** where it leaves out zero. `AUROC` says how well the hardness of HardMix's memory tells wrong labels
from right ones. `drop` and `relabel` know how many labels are wrong and take so many of the hardest samples: `found`
is the part of these that is wrong, `left` the part of wrong labels that the second network is trained with. Every
number is `ours`.

{table}

`python benchmarks/small_data_noise.py DATA --workers 2`; {hardware}
"""

MIXUP: dict[str, Any] = dict(type='mmmix.Mixup', alpha=1.0)
#: The memory watches half of the batches, which are not mixed: a network that mixes the others learns less by heart.
WATCHED = Arm('', dict(type='mmmix.CutMix', prob=0.5), hooks=HARD)
ARMS: dict[str, Arm] = {
    'none': Arm(),
    'mixup': Arm('none', MIXUP),
    'mixup-8': Arm('none', {**MIXUP, 'alpha': 8.0}),
    'cutmix': Arm('none', dict(type='mmmix.CutMix', alpha=1.0)),
    'sumix': Arm('cutmix', dict(type='mmmix.CutMix', alpha=1.0), dict(type='mmmix.SUMixHead', clean_pass='detached')),
    'hardmix': Arm('cutmix-half', dict(type='mmmix.HardMix'), hooks=HARD),
    'cutmix-half': replace(WATCHED, base='none'),
    'drop': replace(WATCHED, base='cutmix-half'),
    'relabel': replace(WATCHED, base='cutmix-half'),
}
LEVELS = (0.2, 0.5, 0.8)


def corrupted(images: Images, part: float, seed: int) -> tuple[Images, Tensor]:
    """The images with a part of their labels drawn at random, and which labels are wrong now, ``(N,)`` bool."""
    draws = torch.Generator().manual_seed(10_000 + seed)
    labels = images.train_labels.clone()
    rows = torch.randperm(len(labels), generator=draws)[: round(part * len(labels))]
    labels[rows] = torch.randint(images.classes, (len(rows),), generator=draws)
    return replace(images, train_labels=labels), labels != images.train_labels


def one_run(job: dict[str, Any]) -> dict[str, Any]:
    """Train one arm with one seed and one part of wrong labels."""
    clean = load_images(job['data'], job['images'])
    images, wrong = corrupted(clean, job['noise'], job['seed'])
    name, found = job['arm'], {}
    if name in ('drop', 'relabel'):
        first = train(WATCHED, images, job['seed'], job['epochs'])
        assert first.hardness is not None
        named = torch.zeros_like(wrong)
        named[first.hardness.topk(int(wrong.sum())).indices] = True
        labels = torch.where(named, first.predicted, images.train_labels)
        rest = torch.ones_like(named) if name == 'relabel' else ~named
        images = replace(images, train=images.train[rest], train_labels=labels[rest])
        found = dict(
            found=round(float(wrong[named].float().mean()), 4),
            left=round(float((labels[rest] != clean.train_labels[rest]).float().mean()), 4),
        )
    trained = train(ARMS[name], images, job['seed'], job['epochs'], rated=job['epochs'])
    if trained.hardness is not None and name not in ('drop', 'relabel'):
        found = dict(auroc=round(float(roc_auc_score(wrong, trained.hardness)), 4))
    return {**trained.summary(), 'best': round(max(score[0] for score in trained.scores), 3), **found}


def rows_of(runs: list[dict[str, Any]]) -> list[list[Any]]:
    """The lines of the table."""
    rows = []
    for noise in LEVELS:
        for name, arm in ARMS.items():
            own = {run['seed']: run for run in runs if run['arm'] == name and run['noise'] == noise}
            if not own:
                continue
            base = {run['seed']: run for run in runs if run['arm'] == arm.base and run['noise'] == noise}
            pairs = [own[seed]['top1'] - base[seed]['top1'] for seed in sorted(own) if seed in base]
            mean, half = interval(pairs) if pairs else (0.0, 0.0)

            def of(key: str, digits: int, own: dict[int, dict[str, Any]] = own) -> str:
                values = [run[key] for run in own.values() if key in run]
                if not values:
                    return ''
                spread = f' ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else ''
                return f'{statistics.mean(values):.{digits}f}{spread}'

            difference = dict(mean=mean, half=half) if pairs else None
            rows.append(
                [f'{100 * noise:.0f} %', name, len(own), of('best', 2), of('top1', 2), arm.base, shown(difference, 2)]
            )
            rows[-1] += [of('auroc', 3), of('found', 2), of('left', 2)]
    return rows


def main() -> None:
    """Do every run that is not in the file yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, nargs='?', help='a folder with train/<class>/*.png and test/<class>/*.png')
    parser.add_argument('--arms', nargs='+', choices=ARMS, default=list(ARMS), metavar='ARM')
    parser.add_argument('--seeds', type=int, default=5, help='how many; default: 5')
    parser.add_argument('--epochs', type=int, default=50, help='default: 50')
    parser.add_argument('--images', type=int, default=5000, help='training images; default: 5000')
    parser.add_argument('--workers', type=int, default=1, help='processes side by side; default: 1')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many minutes')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    if args.epochs < LAST:
        parser.error(f'--epochs must be at least {LAST}, whose median is the score')
    setting = dict(images=args.images, epochs=args.epochs)
    told = dict(**environment())
    results = Results(args.output, {**setting, **told}, strict=tuple(setting))
    if args.data is not None:
        load_images(args.data, args.images)
        keys = [
            dict(arm=arm, noise=noise, seed=seed) for seed in range(args.seeds) for noise in LEVELS for arm in args.arms
        ]
        run_all(one_run, keys, dict(data=args.data, **setting), results, args.workers, args.minutes)
    if args.output.exists():
        write_json(args.output, {'setting': results.setting, 'runs': results.runs})
        head = ['wrong', 'arm', 'seeds', 'best', 'last', 'base', 'difference', 'AUROC', 'found', 'left']
        told = results.setting
        hardware = f'torch {told["versions"]["torch"]}, one core of a {told["hardware"]["machine"]} CPU a run, '
        text = PAGE.format(
            images=told['images'],
            count=len({run['seed'] for run in results.runs}),
            epochs=told['epochs'],
            table=table(head, rows_of(results.runs)),
            hardware=f'{hardware}float32.',
        )
        args.output.with_suffix('.md').write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
