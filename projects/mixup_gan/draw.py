"""Train both GANs with several seeds and draw what they make: ``python -m projects.mixup_gan.draw``.

Run it from the root of a clone. By default it is a small form of the paper's experiment, half a minute a run on one CPU
core; ``--iterations 20000 --width 512`` is the paper's. Drawn are the iterations of its figure, as far as the run goes.
It writes ``projects/mixup_gan/points.json`` and ``.png``.
"""

import tempfile
from argparse import ArgumentParser
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmmix.evaluation.frame import hardware, mean_and_deviation, write_json
from projects.mixup_gan.gan import Snapshots, energy_distance, modes_found, points

FOLDER = Path(__file__).resolve().parent
#: When Figure 5 looks.
FIGURE = (10, 100, 1000, 10000, 20000)
ARMS = {'GAN': 'gan_ring', 'mixup GAN': 'mixup-gan_ring'}


def run(arm: str, kind: str, seed: int, iterations: int, width: int) -> dict[int, Tensor]:
    """Train one arm; what it made after a few numbers of iterations."""
    config = Config.fromfile(FOLDER / f'configs/{ARMS[arm]}.py')
    at = sorted({*(each for each in FIGURE if each < iterations), iterations})
    config.merge_from_dict({
        'model.width': width,
        'train_dataloader.dataset': dict(kind=kind, iterations=iterations, seed=seed),
        'train_cfg.max_iters': iterations,
        'custom_hooks': [dict(type='Snapshots', at=at)],
        'default_hooks.checkpoint': None,
        'randomness.seed': seed, 'log_level': 'ERROR', 'launcher': 'none',
        'experiment_name': f'{ARMS[arm]}-{kind}-{seed}',
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as work_dir:
        config.work_dir = work_dir
        runner = Runner.from_cfg(config)
        runner.train()
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, Snapshots))
    return hook.kept


def main() -> None:
    """Train, measure, draw, write."""
    parser = ArgumentParser(description='GANs on points of the plane, with and without mixup')
    parser.add_argument('--kinds', nargs='+', default=['ring'])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--iterations', type=int, default=2000, help="the generator's; the paper has 20000")
    parser.add_argument('--width', type=int, default=128, help='of hidden layers; the paper has 512')
    parser.add_argument('--output', type=Path, default=FOLDER / 'points.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, drawn = [], {}
    for kind in args.kinds:
        real = points(kind, 1000, torch.Generator().manual_seed(99))
        for seed in range(args.seeds):
            for arm in ARMS:
                kept = run(arm, kind, seed, args.iterations, args.width)
                last = kept[args.iterations]
                row = dict(kind=kind, arm=arm, seed=seed, energy=round(energy_distance(last, real), 4))
                if kind == 'ring':
                    row['modes'], inside = modes_found(last)
                    row['inside'] = round(inside, 3)
                print(row, flush=True)
                rows.append(row)
                drawn.setdefault((kind, arm), kept)
    summary = {}
    for kind in args.kinds:
        for arm in ARMS:
            for name in ('energy', 'modes', 'inside'):
                values = [row[name] for row in rows if row['arm'] == arm and row['kind'] == kind and name in row]
                if values:
                    mean, spread = mean_and_deviation(values)
                    summary[f'{kind}, {arm}: {name}'] = f'{mean:.3f} ± {spread or 0.0:.3f}'
    facts = dict(hardware=hardware('{machine} CPU, 1 thread', 'cpu'), torch=torch.__version__)
    options = dict(iterations=args.iterations, width=args.width, seeds=args.seeds)
    write_json(args.output, dict(mark='ours', **facts, **options, summary=summary, runs=rows))
    draw(drawn, args.output.with_suffix('.png'))
    print('\n'.join(f'{name} {value}' for name, value in summary.items()))


def draw(drawn: dict[tuple[str, str], dict[int, Tensor]], path: Path) -> None:
    """A row for each arm, a column for each snapshot: made points over real ones."""
    columns = len(next(iter(drawn.values())))
    figure, axes = plt.subplots(len(drawn), columns, figsize=(2 * columns, 2.2 * len(drawn)), squeeze=False)
    for line, ((kind, arm), kept) in zip(axes, drawn.items(), strict=True):
        real = points(kind, 1000, torch.Generator().manual_seed(99))
        for axis, (iteration, found) in zip(line, sorted(kept.items()), strict=True):
            axis.scatter(*real.T, s=1, color='tab:orange')
            axis.scatter(*found.T, s=1, color='tab:blue', alpha=0.5)
            axis.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect='equal')
            axis.set_title(f'{iteration}', fontsize=8)
        line[0].set_ylabel(f'{arm}, {kind}', fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == '__main__':
    main()
