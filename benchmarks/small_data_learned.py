"""Learned mixers beside CutMix and PuzzleMix, the student and its moving average, in the regime of ``small_data.py``.

AutoMix and SAMix are published with the accuracy of a teacher, a moving average of the network, on a learning rate that
ends at half of its largest value. Here every arm has that rate and that average: the learned mixers their own teacher,
the others MMEngine's ``EMAHook``, all with a momentum of .99, which is two epochs. Student and teacher of one run are
rated after each of the last five epochs. What an arm owes to the average, and what to its masks, can be told apart.

    python benchmarks/small_data_learned.py DATA --workers 2     # DATA/{train,test}/<class>/*.png: CIFAR-10
    python benchmarks/small_data_learned.py                      # 200 real digits, no data needed
    python benchmarks/small_data_learned.py --page               # the page from the results alone

A run is saved when it ends; a stopped command goes on where it was.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from small_data_arms import CUTMIX, Arm
from small_data_images import Images, load_digits, load_images
from small_data_jobs import run_all
from small_data_runs import LAST, SMALL, InMemory, Regime, Score, Trained, runner_of
from small_data_tables import interval, shown
from small_data_views import Views

from mmmix.evaluation.frame import Results, environment, table, write_json

MOMENTUM = 0.99
EMA: tuple[dict[str, Any], ...] = (dict(type='EMAHook', momentum=1 - MOMENTUM),)
#: The stage with a fourth of the pixels a side, as ``layer3`` has at 32 x 32 in the authors' network.
LEARNED: dict[str, Any] = dict(features='backbone.layer2', momentum=(MOMENTUM, 1.0))
ARMS: dict[str, Arm] = {
    'none': Arm('cutmix', hooks=EMA),
    'mixup': Arm('cutmix', dict(type='mmmix.Mixup', alpha=1.0), hooks=EMA),
    'cutmix': Arm('', CUTMIX, hooks=EMA),
    'puzzlemix': Arm('cutmix', dict(type='mmmix.PuzzleMix', blocks=(2, 4, 8)), hooks=EMA),
    'automix': Arm('cutmix', dict(type='mmmix.AutoMix', **LEARNED)),
    'samix': Arm('cutmix', dict(type='mmmix.SAMix', **LEARNED)),
}
WHO = ('student', 'teacher')
#: What the two data sets have of their own: training images, epochs, and the rest of the regime.
CIFAR = replace(SMALL, floor=0.5)
DIGITS = replace(SMALL, floor=0.5, batch=20)


@contextmanager
def average_in_front(runner: Runner) -> Iterator[None]:
    """The moving average in the student's place: a mixer's teacher, or that of ``EMAHook``."""
    model: Any = runner.model
    teachers = [module.teacher for module in model.learned.values()]
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for teacher in teachers:
        teacher.show(model, True)
    for hook in hooks:
        hook._swap_ema_parameters()
    try:
        yield
    finally:
        for teacher in teachers:
            teacher.show(model, False)
        for hook in hooks:
            hook._swap_ema_parameters()


class Both(Hook):
    """Rate the student and the average after each of the last epochs."""

    priority = 'VERY_LOW'

    def __init__(self, images: Images, first: int) -> None:
        self.scores = {who: Score(images, first, False) for who in WHO}

    def after_train_epoch(self, runner: Runner) -> None:
        """Rate both."""
        self.scores['student'].after_train_epoch(runner)
        with average_in_front(runner):
            self.scores['teacher'].after_train_epoch(runner)


def one_run(job: dict[str, Any]) -> dict[str, Any]:
    """Train one arm with one seed, and rate student and teacher."""
    digits = job['data'] is None
    images = load_digits(job['images']) if digits else load_images(job['data'], job['images'])
    regime: Regime = DIGITS if digits else CIFAR
    both = Both(images, job['epochs'] - LAST)
    # A mirrored digit is another one, or none.
    views = Views(images.train, 0, job['seed'], flip=0.0 if digits else 0.5)
    dataset = InMemory(images.train_labels)
    with tempfile.TemporaryDirectory() as folder:
        runner = runner_of(
            ARMS[job['arm']], dataset, views, images.classes, job['seed'], job['epochs'], regime, folder, [both]
        )
        start = time.process_time()
        runner.train()
        seconds = (time.process_time() - start) / runner.iter
    found: dict[str, Any] = {}
    for who, score in both.scores.items():
        found[who] = Trained(score.found, images.train_labels, None, seconds).summary()
        del found[who]['seconds_a_step']
    return {**found, 'seconds_a_step': round(seconds, 5)}


def rows_of(runs: list[dict[str, Any]]) -> list[list[Any]]:
    """A row for each arm."""
    by_arm: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in ARMS}
    for run in runs:
        by_arm[run['arm']][run['seed']] = run
    steps = {name: statistics.median(r['seconds_a_step'] for r in own.values()) for name, own in by_arm.items() if own}
    rows = []
    for name, own in by_arm.items():
        if not own:
            continue
        base = by_arm.get(ARMS[name].base, {})
        cells: list[Any] = [name, len(own)]
        for who in WHO:
            values = [run[who]['top1'] for run in own.values()]
            spread = f' ± {statistics.stdev(values):.2f}' if len(values) > 1 else ''
            difference = None
            pairs = [own[seed][who]['top1'] - base[seed][who]['top1'] for seed in own if seed in base]
            if pairs:
                mean, half = interval(pairs)
                difference = dict(mean=mean, half=half)
            nll = statistics.mean(run[who]['nll'] for run in own.values())
            cells += [f'{statistics.mean(values):.2f}{spread}', shown(difference, 2), f'{nll:.3f}']
        against = f'{steps[name] / steps["cutmix"]:.2f}' if 'cutmix' in steps else ''
        rows.append([*cells, f'{1 / steps[name]:.1f}', against])
    return rows


def page(path: Path, setting: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write the page beside the results."""
    write_json(path, dict(setting=setting, runs=runs))
    head = ['arm', 'seeds', 'student', 'to CutMix', 'NLL', 'teacher', 'to CutMix', 'NLL', 'steps a second', 'time']
    what = 'CIFAR-10, 16 x 16 pixels' if setting['cifar'] else 'real digits, 16 x 16 pixels'
    _, story, *_ = __doc__.strip().split('\n\n')
    text = f"""# Learned mixers, and the average that they are published with

{story}

{setting['images']:,} images of {what}, {setting['epochs']} epochs. Top-1 in percent, the median of the last five
epochs, mean over the seeds and standard deviation; a difference is that to CutMix's student, or teacher, seed by seed,
with its 95 % interval, **bold** where it leaves out zero. `time` is that of a step relative to CutMix's. Every number
is `ours`.

{table(head, rows_of(runs))}

`python benchmarks/small_data_learned.py{' DATA' if setting['cifar'] else ''}`; torch {setting['versions']['torch']},
one core of a {setting['hardware']['machine']} CPU a run.
"""
    path.with_suffix('.md').write_text(text, encoding='utf-8')


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, nargs='?', help='CIFAR-10 as train/<class>/*.png; default: real digits')
    parser.add_argument('--arms', nargs='+', choices=ARMS, default=list(ARMS), metavar='ARM')
    parser.add_argument('--seeds', type=int, default=5, help='how many; default: 5')
    parser.add_argument('--epochs', type=int, default=50, help='default: 50')
    parser.add_argument('--images', type=int, help='training images; default: 5000, of digits 200')
    parser.add_argument('--workers', type=int, default=1, help='processes side by side; default: 1')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many minutes')
    parser.add_argument('--output', type=Path, help='default: benchmarks/small_data_learned.json, or _digits')
    parser.add_argument('--page', action='store_true', help='no runs: the page from the results in --output')
    args = parser.parse_args()
    cifar = args.data is not None
    name = Path(__file__).stem + ('' if cifar or args.page else '_digits')
    args.output = args.output or Path(__file__).with_name(f'{name}.json')
    images = args.images or (5000 if cifar else 200)
    setting = dict(images=images, epochs=args.epochs, cifar=cifar)
    results = Results(args.output, {**setting, **environment()}, strict=() if args.page else tuple(setting))
    if not args.page:
        keys = [dict(arm=arm, seed=seed) for seed in range(args.seeds) for arm in args.arms]
        run_all(one_run, keys, dict(data=args.data, **setting), results, args.workers, args.minutes)
    page(args.output, results.held, results.runs)


if __name__ == '__main__':
    main()
