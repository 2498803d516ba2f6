"""All that needs a GPU, by one command, in the order of its value.

    python benchmarks/gpu.py --minutes 40 --data CIFAR10 --data100 CIFAR100

Each step is a process of its own with a time limit of its own, so that one that fails or hangs takes nothing from the
others; what a step does not need goes to those behind it. ``benchmarks/gpu.json`` is written after every step, and a
finished step is not done again. The steps' own results lie beside it. ``--dry-run`` goes through all of it on a CPU, in
tiny sizes and with made images, to see that nothing is broken: its numbers mean nothing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmmix.evaluation.frame import Results, environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True)
class Step:
    """One thing to measure.

    Attributes:
        name: What it is called in the results.
        share: Of the minutes that are left, this part is its limit.
        command: What is run, behind the Python; None if something is missing.
        missing: What that is.
    """

    name: str
    share: float
    command: list[str] | None
    missing: str = ''


def steps(args: argparse.Namespace) -> list[Step]:
    """What is to be done, the most valuable first."""
    out, dry = args.output.parent, args.dry_run
    device = 'cpu' if dry else 'cuda'
    tiny = ['--rounds', '1'] if dry else []
    mixers = [str(ROOT / 'tools/benchmark_mixers.py'), '--devices', device, *tiny]
    few = ['--methods', 'CutMix', 'Mixup', '--shapes', 'cifar', '--threads', '1']
    cost = [*tiny, '--device', device, *(['--width', '8'] if dry else [])]
    few_settings = ['--only', 'cifar-32'] if dry else []
    full = [] if dry else ['--width', '64', '--batch', '100']
    scale = ['--device', device, *(['--width', '8', '--epochs', '5', '--images', '200'] if dry else [])]
    training = str(HERE / 'gpu_training.py')

    def trained(what: str, data: Path | None, share: float, *more: str) -> Step:
        if data is None:
            return Step(what, share, None, f'--{"data100" if what == "cifar100" else "data"} was not named')
        command = [training, what, str(data), *scale, *more, '--output', str(out / f'gpu_{what}.json')]
        return Step(what, share, command)

    return [
        Step('tests', 0.15, ['-m', 'pytest', '-m', 'gpu', '-q', '-p', 'no:cacheprovider', str(ROOT / 'tests')]),
        Step('mixers', 0.2, [*mixers, *(few if dry else []), '--output', str(out / 'gpu_mixers.json')]),
        Step(
            'channels_last',
            0.2,
            [*mixers, *(few if dry else []), '--channels-last', '--output', str(out / 'gpu_mixers_channels_last.json')],
        ),
        Step('cost', 0.3, [str(HERE / 'cost.py'), *cost, *few_settings, '--output', str(out / 'gpu_cost.json')]),
        Step(
            'learned_cost',
            0.15,
            [str(HERE / 'learned_cost.py'), *cost, *full, '--output', str(out / 'gpu_learned_cost.json')],
        ),
        trained('small', args.data, 0.3),
        trained('cifar100', args.data100, 1.0),
    ]


def made_images(folder: Path) -> Path:
    """A folder of made images, ten classes, for the dry run."""
    draws = np.random.default_rng(0)
    for split, count in (('train', 20), ('test', 5)):
        for label in range(10):
            (folder / split / str(label)).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / str(label) / f'{number:05}.png')
    return folder


def do(step: Step, limit: float) -> dict[str, Any]:
    """Run one step, and say how it ended."""
    if step.command is None:
        return dict(step=step.name, state='not run', why=step.missing)
    # Whoever trains ends before the limit, and says what is left.
    minutes = ['--minutes', f'{0.9 * limit / 60:.2f}'] if 'gpu_training' in step.command[0] else []
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, *step.command, *minutes],
            cwd=ROOT,
            timeout=limit,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])},
        )
        said, state = done.stdout, 'done' if done.returncode == 0 else f'failed with {done.returncode}'
        if 'The minutes are over' in said:
            state = 'unfinished'
    except subprocess.TimeoutExpired as stopped:
        output = stopped.stdout or b''
        said = output if isinstance(output, str) else output.decode(errors='replace')
        state = 'stopped'
    lines = [line for line in said.splitlines() if line.strip()]
    seconds = round(time.perf_counter() - start, 1)
    found: dict[str, Any] = dict(step=step.name, state=state, seconds=seconds, limit=round(limit), last=lines[-12:])
    if step.name == 'tests':
        counts = re.findall(r'(\d+) (passed|failed|skipped|error)', lines[-1] if lines else '')
        found['counts'] = {what: int(count) for count, what in counts}
    return found


def main() -> None:
    """Go through the steps that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=40, help='for all of it; default: 40')
    parser.add_argument('--data', type=Path, help='CIFAR-10: a folder with train/<class>/*.png and test/<class>/*.png')
    parser.add_argument('--data100', type=Path, help='CIFAR-100, likewise')
    parser.add_argument('--dry-run', action='store_true', help='on a CPU, in tiny sizes, with made images')
    parser.add_argument('--again', nargs='*', default=[], metavar='STEP', help='steps to do once more')
    parser.add_argument('--output', type=Path, help='default: benchmarks/gpu.json, or work_dirs/gpu/gpu.json if dry')
    args = parser.parse_args()
    if not args.dry_run and not torch.cuda.is_available():
        parser.error('there is no GPU here: --dry-run goes through all of it on a CPU')
    args.output = args.output or (ROOT / 'work_dirs/gpu' if args.dry_run else HERE) / 'gpu.json'
    args.output = args.output.resolve()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    if args.dry_run:
        args.data = args.data100 = made_images(args.output.parent / 'images')
    todo = steps(args)
    unknown = set(args.again) - {step.name for step in todo}
    if unknown:
        parser.error(f'there is no step {", ".join(sorted(unknown))}: {", ".join(step.name for step in todo)}')
    results = Results(args.output, dict(dry_run=args.dry_run, **environment()), ('setting', 'steps'), ('dry_run',))
    finished = {run['step'] for run in results.runs if run['state'] == 'done'} - set(args.again)
    end = time.perf_counter() + 60 * args.minutes
    for step in todo:
        left = end - time.perf_counter()
        if step.name in finished:
            print(f'{step.name}: done before', flush=True)
            continue
        if left < 1:
            print(f'{step.name}: no time left; the same command goes on from here', flush=True)
            continue
        print(f'{step.name}: at most {step.share * left / 60:.1f} of {left / 60:.1f} minutes', flush=True)
        found = do(step, step.share * left)
        results.add(found)
        print(f'  {found["state"]}' + ''.join(f'\n  | {line}' for line in found.get('last', [])[-4:]), flush=True)


if __name__ == '__main__':
    main()
