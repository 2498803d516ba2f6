r"""What KeepCutout adds to a training step: full gradient, low resolution, early head, and both, relative to Cutout.

ResNet-18 for CIFAR, batch 128 of 32 x 32, SGD, float32. All variants run in one process, one step each in turn, round
after round, so that a busy machine slows all of them alike; the figure is the median over rounds of the ratio within a
round. On a CPU it is the time of one thread's own work that counts, not the time on the wall. The time inside the guide
and inside the choice of the place is measured too: it says where a budget is lost.

On a CPU gradients are taken of the batch in slices; a row more has the early head take it at once. glibc's allocator
gives blocks beyond 32 MiB back to the system and fetches them anew, which the larger activations pay for. Told to keep
its memory it shows what the passes alone cost:

    python benchmarks/keepaugment_cost.py --rounds 7
    MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 \
        python benchmarks/keepaugment_cost.py --rounds 7 --out benchmarks/keepaugment_cost_kept_memory.json
    python benchmarks/keepaugment_cost.py --device cuda --rounds 200
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample

from mmmix import MixClassifier
from mmmix.evaluation.frame import clock, hardware, in_turns, ratios, write_json
from mmmix.probes import slices

AT_ONCE = 'KeepCutout, early head, the batch at once'
#: Variant -> guide, and the budget of its step time relative to Cutout.
VARIANTS: dict[str, tuple[dict | None, float | None]] = {
    'Cutout': (None, None),
    'KeepCutout': (dict(type='mmmix.InputGradient'), 1.8),
    'KeepCutout, low resolution': (dict(type='mmmix.InputGradient', scale=0.5), 1.20),
    'KeepCutout, early head': (dict(type='mmmix.EarlyHead'), 1.21),
    AT_ONCE: (dict(type='mmmix.EarlyHead'), None),
    'KeepCutout, early head, low resolution': (dict(type='mmmix.EarlyHead', scale=0.5), 1.08),
}


class Clock:
    """Adds up the time spent in a callable."""

    def __init__(self, inner: Any, now: Callable[[], float]):
        self.inner = inner
        self.now = now
        self.seconds = 0.0

    def __call__(self, *args: Any) -> Any:
        """Call and measure."""
        start = self.now()
        result = self.inner(*args)
        self.seconds += self.now() - start
        return result


class Variant:
    """A network in training with one way of erasing."""

    def __init__(self, guide: dict | None, device: torch.device, width: int, pixels: float = slices.PIXELS):
        torch.manual_seed(0)
        self.pixels = pixels
        augment = dict(type='mmmix.Cutout') if guide is None else dict(type='mmmix.KeepCutout', guide=guide)
        self.model = MixClassifier(
            backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=width, base_channels=width),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=8 * width),
            train_cfg=dict(augments=augment),
        ).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.now = clock(device, own_work=True)

    def step(self, images: torch.Tensor, samples: list[DataSample]) -> float:
        """The seconds of one training step."""
        slices.PIXELS = self.pixels
        start = self.now()
        losses = self.model.loss(images, samples)
        self.optimizer.zero_grad()
        sum(loss for name, loss in losses.items() if 'loss' in name).backward()
        self.optimizer.step()
        return self.now() - start

    def split(self, images: torch.Tensor, samples: list[DataSample]) -> dict[str, float]:
        """Seconds of one step inside the guide and inside the choice of the place."""
        keep = next(self.model.mixers()).keep
        if keep is None:
            return {}
        guide, rate, allow = (Clock(inner, self.now) for inner in (keep.guide, keep.rate, keep.allow))
        keep.guide, keep.rate, keep.allow = guide, rate, allow
        try:
            self.step(images, samples)
        finally:
            keep.guide, keep.rate, keep.allow = guide.inner, rate.inner, allow.inner
        return dict(guide_seconds=guide.seconds, choice_seconds=rate.seconds + allow.seconds)


def main() -> None:
    """Measure and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--width', type=int, default=64, help='channels of the stem; 64 is ResNet-18')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == 'cpu':
        torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('WARNING')
    variants = {
        name: Variant(guide, device, args.width, 1e18 if name == AT_ONCE else slices.PIXELS)
        for name, (guide, _) in VARIANTS.items()
    }
    images = torch.rand(args.batch, 3, 32, 32, device=device)
    samples = [DataSample().set_gt_label(i % 10) for i in range(args.batch)]
    turns = {name: partial(variant.step, images, samples) for name, variant in variants.items()}
    seconds = in_turns(turns, args.rounds, warm_up=1 if device.type == 'cpu' else 20)
    rows = []
    for name, (_, budget) in VARIANTS.items():
        each = ratios(seconds[name], seconds['Cutout'])
        row: dict = dict(method=name, median_seconds=round(median(seconds[name]), 4), ratio=round(median(each), 3))
        row.update(ratio_min=round(min(each), 3), ratio_max=round(max(each), 3), budget=budget)
        row.update({key: round(value, 4) for key, value in variants[name].split(images, samples).items()})
        rows.append(row)
        print(row, flush=True)
    about = dict(
        mark='ours',
        network=f'ResNet_CIFAR depth 18, base_channels={args.width}',
        batch=args.batch,
        rounds=args.rounds,
        precision='float32',
        hardware=f'{hardware("CPU ({machine}), one thread", device)}; torch {torch.__version__}',
        allocator='keeps its memory' if 'MALLOC_MMAP_THRESHOLD_' in os.environ else 'as it is',
    )
    write_json(args.out, dict(about=about, rows=rows))


if __name__ == '__main__':
    main()
