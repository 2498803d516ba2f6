"""Does mixing help? 5,000 CIFAR-10 images, a network of 309 k parameters, one minute a run on one core of a CPU.

Every arm is trained with the same seeds, which fix initialisation, order and flips, through ``MixClassifier`` and
MMEngine's runner with the hooks that a user would name. A difference is that to the arm's own base, seed by seed, with
its 95 % interval. ``benchmarks/small_data.md`` is what came out.

    python benchmarks/small_data.py DATA --workers 2        # DATA/{train,test}/<class>/*.png: CIFAR-10
    python benchmarks/small_data.py DATA100 --coarse        # CIFAR-100 by its 20 superclasses: nothing was tuned on it
    python benchmarks/small_data.py --page                  # draw the page and the picture from the results alone

A run is saved when it ends; a stopped command goes on where it was.
"""

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from small_data_arms import ARMS, arms_named
from small_data_runs import BFLOAT16, load_images, train
from small_data_tables import draw, page
from small_data_tuning import TRIED

from mmmix.evaluation.frame import Results, environment

FOLDER = Path(__file__).parent
KNOWN = {**ARMS, **TRIED}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', type=Path, nargs='?', help='a folder with train/<class>/*.png and test/<class>/*.png')
    parser.add_argument('--arms', nargs='+', metavar='ARM', help='these alone, or those that begin so, e.g. sumix*')
    parser.add_argument('--seeds', type=int, default=10, help='how many; default: 10')
    parser.add_argument('--first-seed', type=int, default=0, help='default: 0; tuning takes 100 and beyond')
    parser.add_argument('--tuning', action='store_true', help='train and test on images that the table does not use')
    parser.add_argument('--coarse', action='store_true', help="CIFAR-100's 20 superclasses")
    parser.add_argument('--epochs', type=int, default=50, help='default: 50')
    parser.add_argument('--images', type=int, default=5000, help='training images; default: 5000')
    parser.add_argument('--workers', type=int, default=1, help='processes side by side; default: 1')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many minutes')
    parser.add_argument('--output', type=Path, help='default: benchmarks/small_data.json, or _coarse, or _tuning')
    parser.add_argument('--page', action='store_true', help='no runs: the page and the picture from the results')
    args = parser.parse_args()
    name = 'small_data' + ('_coarse' if args.coarse else '') + ('_tuning' if args.tuning else '')
    args.output = args.output or FOLDER / f'{name}.json'
    if args.data is None and not args.page:
        parser.error('name the folder of the images, or --page')
    return args


def one_run(job: dict[str, Any]) -> dict[str, Any]:
    """Train one arm with one seed, in a process of its own."""
    torch.set_num_threads(1)
    images = load_images(job['data'], job['images'], job['coarse'], job['tuning'])
    start = time.perf_counter()
    found = train(KNOWN[job['arm']], images, job['seed'], job['epochs'])
    return {'arm': job['arm'], 'seed': job['seed'], **found, 'seconds': round(time.perf_counter() - start, 1)}


def main() -> None:
    """Do every run that is not in the file yet."""
    args = parse_args()
    setting = dict(images=args.images, epochs=args.epochs, coarse=args.coarse, tuning=args.tuning)
    told = dict(dtype='bfloat16' if BFLOAT16 else 'float32', **environment())
    results = Results(args.output, {**setting, **told}, strict=False)
    if not args.page:
        names = arms_named(KNOWN, args.arms)
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        done = {(run['arm'], run['seed']) for run in results.runs}
        # Seed by seed, so that a stopped comparison has all arms with the same seeds.
        jobs = [
            dict(arm=arm, seed=seed, data=args.data, **setting)
            for seed in seeds
            for arm in names
            if (arm, seed) not in done
        ]
        load_images(args.data, args.images, args.coarse, args.tuning)  # Once, before two processes want them.
        begun, taken = time.perf_counter(), []
        # A process of its own for each run, forked from one that has imported everything and done nothing.
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['small_data_runs', 'small_data_tuning'])
        with context.Pool(args.workers, maxtasksperchild=1) as pool:
            waiting = [pool.apply_async(one_run, (job,)) for job in jobs[: args.workers]]
            ahead = jobs[args.workers :]
            while waiting:
                finished = next((each for each in waiting if each.ready()), None)
                if finished is None:
                    time.sleep(0.2)
                    continue
                waiting.remove(finished)
                run = finished.get()
                results.add(run)
                taken.append(run['seconds'])
                left = (len(ahead) + len(waiting)) * statistics.median(taken) / args.workers / 60
                print(
                    f'{run["arm"]:28} seed {run["seed"]:3}  top-1 {run["top1"]:.2f}  NLL {run["nll"]:.3f}  '
                    f'{run["seconds"]:.0f} s; {len(ahead) + len(waiting)} to go, {left:.0f} min left',
                    flush=True,
                )
                if ahead and time.perf_counter() - begun < 60 * args.minutes:
                    waiting.append(pool.apply_async(one_run, (ahead.pop(0),)))
    if args.output.exists():
        page(args.output, KNOWN, results.setting, results.runs)
        draw(args.output.with_suffix('.png'), KNOWN, results.runs)


if __name__ == '__main__':
    main()
