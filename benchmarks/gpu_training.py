"""Trains on a GPU with the images in its memory: a published small-data setting, and CIFAR-100.

``small``: 500 CIFAR-10 images, nine layers, batch 32, 400 epochs, of which a student's report has five runs: no mixing
56.1, Mixup 60.8, Manifold Mixup 61.7. It says no more of its network than the number of layers: ours is plain.
``cifar100``: ResNet-18 in bfloat16, as many epochs as fit into the minutes, the same for all arms.

    python benchmarks/gpu_training.py small DATA --minutes 6
    python benchmarks/gpu_training.py cifar100 DATA100 --minutes 20

A run is saved when it ends; a stopped command goes on where it was, with the epochs that it began with.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from mmpretrain.registry import MODELS
from small_data_arms import CUTMIX, HARD, Arm, spared, sumix
from small_data_images import Images, load_images
from small_data_runs import LAST, Regime, train
from torch import Tensor, nn

from mmmix.evaluation.frame import Results, environment, mean_and_deviation

ARMS: dict[str, dict[str, Arm]] = {
    'small': {
        'none': Arm(),
        'mixup': Arm('none', dict(type='mmmix.Mixup', alpha=1.0)),
        'manifoldmix': Arm('none', dict(type='mmmix.ManifoldMix', at=('', 'backbone.layers.2', 'backbone.layers.5'))),
    },
    'cifar100': {
        'none': Arm(),
        'cutmix': Arm('none', {**CUTMIX, 'prob': 0.5}),
        'sumix': Arm('cutmix', {**CUTMIX, 'prob': 0.5}, sumix(clean_pass='detached')),
        'hardmix': Arm('cutmix', dict(type='mmmix.HardMix'), hooks=HARD),
        'keepcutmix': Arm('cutmix', {**CUTMIX, 'prob': 0.5, 'keep': spared('inside')}),
    },
}


@MODELS.register_module()
class NineLayers(nn.Module):
    """Eight convolutions with batch norms, three of them with a stride; the head is the ninth layer.

    Args:
        width (int): Channels of the first two. Defaults to 64.
    """

    def __init__(self, width: int = 64):
        super().__init__()
        widths = [3, *(width * factor for factor in (1, 1, 2, 2, 4, 4, 8, 8))]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, 1 if before == after or before == 3 else 2, 1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                )
                for before, after in itertools.pairwise(widths)
            )
        )

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """The last features."""
        return (self.layers(images),)


def regime_of(name: str, device: str, width: int) -> Regime:
    """What all arms have in common."""
    if name == 'small':
        small = dict(type='mmpretrain.NineLayers', width=width)
        return Regime(small, 8 * width, batch=32, lr=0.05, crop=4, bfloat16=False, device=device)
    resnet = dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=width, base_channels=width)
    return Regime(resnet, 8 * width, batch=128, crop=4, bfloat16=device != 'cpu', device=device)


def fitting_epochs(arms: dict[str, Arm], images: Images, regime: Regime, seconds: float, seeds: int) -> int:
    """How many epochs of every arm fit, by one epoch of each after one that warms up."""
    taken = 0.0
    for arm in arms.values():
        train(arm, images, seed=0, epochs=1, rated=0, regime=regime)
        start = time.perf_counter()
        train(arm, images, seed=0, epochs=1, rated=0, regime=regime)
        taken += time.perf_counter() - start
    return int(0.9 * seconds / (seeds * taken))


def main() -> None:
    """Do every run that is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=ARMS)
    parser.add_argument('data', type=Path, help='a folder with train/<class>/*.png and test/<class>/*.png')
    parser.add_argument('--minutes', type=float, default=20, help='for all runs; default: 20')
    parser.add_argument('--epochs', type=int, help='default: 400 (small), or as many as fit, at most 200')
    parser.add_argument('--seeds', type=int, help='default: 5 (small) or 1')
    parser.add_argument('--images', type=int, help='training images; default: 500 (small) or all')
    parser.add_argument('--width', type=int, default=64, help='channels of the first layers; default: 64')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--output', type=Path, help='default: benchmarks/gpu_<what>.json')
    args = parser.parse_args()
    begun = time.perf_counter()
    small = args.what == 'small'
    output = args.output or Path(__file__).with_name(f'gpu_{args.what}.json')
    seeds = args.seeds or (5 if small else 1)
    images = load_images(args.data, args.images or (500 if small else 10**9), side=32).to(args.device)
    regime = regime_of(args.what, args.device, args.width)
    told = dict(what=args.what, images=len(images.train), width=args.width, batch=regime.batch, **environment())
    epochs = Results(output, told, strict=tuple(told)[:4]).held.get('epochs', args.epochs or (400 if small else None))
    if epochs is None:
        left = 60 * args.minutes - (time.perf_counter() - begun)
        epochs = min(200, fitting_epochs(ARMS[args.what], images, regime, left, seeds))
        print(f'{epochs} epochs of each arm fit', flush=True)
    if epochs < LAST:
        raise SystemExit(f'gpu_training: {epochs} epochs fit, but {LAST} are rated: give it more --minutes')
    results = Results(output, {**told, 'epochs': epochs}, strict=(*tuple(told)[:4], 'epochs'))
    for seed in range(seeds):
        for name, arm in ARMS[args.what].items():
            if any(run['arm'] == name and run['seed'] == seed for run in results.runs):
                continue
            if time.perf_counter() - begun > 60 * args.minutes:
                print('The minutes are over: the same command goes on from here.', flush=True)
                return
            run: dict[str, Any] = dict(arm=name, seed=seed, **train(arm, images, seed, epochs, regime=regime).summary())
            results.add(run)
            print(f'{name:12} seed {seed}  top-1 {run["top1"]:.2f}  NLL {run["nll"]:.3f}', flush=True)
    for name in ARMS[args.what]:
        mean, spread = mean_and_deviation([run['top1'] for run in results.runs if run['arm'] == name])
        step = statistics.median(run['seconds_a_step'] for run in results.runs if run['arm'] == name)
        print(f'{name}: {mean:.2f}{"" if spread is None else f" ± {spread:.2f}"}, {1000 * step:.2f} ms a step')


if __name__ == '__main__':
    main()
