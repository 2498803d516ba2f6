"""Does mixing help? 5,000 CIFAR-10 images, a network of 309 k parameters, minutes a run on one core of a CPU.

Every arm is trained with the same seeds, which fix initialisation, order and flips, through ``MixClassifier`` and
MMEngine's runner with the hooks that a user would name. A difference is that to the arm's own base, seed by seed, with
its 95 % interval. ``benchmarks/small_data.md`` is what came out.

    python benchmarks/small_data.py DATA --workers 2        # DATA/{train,test}/<class>/*.png: CIFAR-10
    python benchmarks/small_data.py DATA100 --coarse        # CIFAR-100 by its 20 superclasses: nothing was tuned on it
    python benchmarks/small_data.py DATA --tail 50 --images 10000  # a few classes have most of the images
    python benchmarks/small_data.py DATA --crop 2 --epochs 100     # random crops too: here the network is too small
    python benchmarks/small_data.py --page                  # draw the page and the picture from the results alone

A run is saved when it ends; a stopped command goes on where it was.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from small_data_arms import ARMS, arms_named
from small_data_images import load_images
from small_data_jobs import run_all
from small_data_runs import SMALL, train
from small_data_tables import draw, first_table, page, renew_log, store
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
    parser.add_argument('--tail', type=float, default=1.0, help='images of the first class to those of the last one')
    parser.add_argument('--crop', type=int, default=0, help='random crops out of so many pixels of black all around')
    parser.add_argument('--epochs', type=int, default=50, help='default: 50')
    parser.add_argument('--images', type=int, default=5000, help='training images; default: 5000')
    parser.add_argument('--workers', type=int, default=1, help='processes side by side; default: 1')
    parser.add_argument('--minutes', type=float, default=float('inf'), help='begin no run after so many minutes')
    parser.add_argument('--output', type=Path, help='default: benchmarks/small_data.json, or _coarse, or _tuning')
    parser.add_argument('--page', action='store_true', help='no runs: the page and the picture from the results')
    args = parser.parse_args()
    parts = {'_tail': args.tail > 1, '_crop': args.crop, '_coarse': args.coarse, '_tuning': args.tuning}
    name = 'small_data' + ''.join(part for part, wanted in parts.items() if wanted)
    args.output = args.output or FOLDER / f'{name}.json'
    if args.data is None and not args.page:
        parser.error('name the folder of the images, or --page')
    return args


def one_run(job: dict[str, Any]) -> dict[str, Any]:
    """Train one arm with one seed."""
    images = load_images(job['data'], job['images'], job['coarse'], job['tuning'], job.get('tail', 1.0))
    regime = replace(SMALL, crop=job.get('crop', 0))
    return train(KNOWN[job['arm']], images, job['seed'], job['epochs'], regime=regime).summary()


def main() -> None:
    """Do every run that is not in the file yet."""
    args = parse_args()
    setting = dict(images=args.images, epochs=args.epochs, coarse=args.coarse, tuning=args.tuning)
    if args.tail > 1:
        setting['tail'] = args.tail
    if args.crop:
        setting['crop'] = args.crop
    told = dict(**environment())
    results = Results(args.output, {**setting, **told}, strict=tuple(setting))
    if not args.page:
        load_images(
            args.data, args.images, args.coarse, args.tuning, args.tail
        )  # Once, before two processes want them.
        # Seed by seed, so that a stopped comparison has all arms with the same seeds.
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        keys = [dict(arm=arm, seed=seed) for seed in seeds for arm in arms_named(KNOWN, args.arms)]
        run_all(one_run, keys, dict(data=args.data, **setting), results, args.workers, args.minutes)
    if not args.output.exists():
        return
    store(args.output, KNOWN, results.setting, results.runs)
    if args.tuning and args.output.parent == FOLDER:
        renew_log(FOLDER / 'small_data_log.md', results.runs, KNOWN, args.output.stem)
        return
    page(args.output, KNOWN, results.setting, results.runs)
    draw(args.output.with_suffix('.png'), KNOWN, results.runs)
    if args.output == FOLDER / 'small_data.json':
        first_table(FOLDER.parent / 'README.md', results.runs, ARMS)


if __name__ == '__main__':
    main()
