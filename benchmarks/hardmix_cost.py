"""What HardMix costs beside CutMix: step time on ResNet-18 for CIFAR, bookkeeping at ImageNet's size, memory.

``python benchmarks/hardmix_cost.py`` times whole training steps (forward, backward, update, and the hook's work after
each) of CutMix and HardMix in turns, in one process, with every batch mixed and the pool full; then the parts of the
bookkeeping alone. It writes ``benchmarks/hardmix_cost.json``.
"""

import json
import statistics
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from mmmix import HardPool, HardSampleHook
from mmmix.engine import HardSampleTable
from mmmix.engine.agreement import SharedTable
from mmmix.evaluation.frame import clock, hardware, in_turns, quartiles, ratios, timed, write_json

ROOT = Path(__file__).resolve().parent.parent
IMAGENET = 1_281_167


class Arm:
    """A ResNet-18 for CIFAR-10 under training, with a hard-sample memory or without one."""

    def __init__(self, hard: bool, batch: int, length: int, device: str) -> None:
        torch.manual_seed(0)
        pool = dict(type='mmmix.HardPool', size=512, min_size=32, prob=1.0)
        mixer = dict(type='mmmix.HardMix', partners=pool) if hard else dict(type='mmmix.CutMix')
        config = dict(
            type='mmmix.MixClassifier',
            backbone=dict(type='ResNet_CIFAR', depth=18),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=512),
            data_preprocessor=dict(num_classes=10, mean=[125.3, 123.0, 113.9], std=[51.6, 50.8, 51.3]),
            train_cfg=dict(augments=dict(prob=1.0, **mixer)),
        )
        self.model = MODELS.build(config).to(device).train()
        self.optimizer = OptimWrapper(torch.optim.SGD(self.model.parameters(), lr=0.01))
        self.images = torch.randint(256, (length, 3, 32, 32), dtype=torch.uint8)
        self.batch = batch
        self.now = clock(device)
        self.hook: HardSampleHook | None = None
        if hard:
            self.hook = HardSampleHook()
            self.model.hard_table = HardSampleTable(50_000)
            self.hook._shared = SharedTable(self.model.hard_table)
            missed = torch.rand(50_000) < 0.3
            self.hook.table.update(torch.arange(50_000), missed)
            self.hook.table.refresh()
            pool = next(self.model.mixers()).partners
            for start in range(0, 4096, 512):
                images = self.model.data_preprocessor(dict(inputs=self.images[: min(512, length)]))['inputs']
                pool.observe(
                    images,
                    torch.eye(10, device=device)[torch.zeros(len(images), dtype=torch.long)],
                    list(range(start, start + len(images))),
                )
            assert pool.fill == 512, pool.fill
        loader = SimpleNamespace(sampler=None, batch_sampler=None, batch_size=batch, dataset=range(50_000))
        self.runner = SimpleNamespace(model=self.model, iter=0, train_loop=None, train_dataloader=loader)

    def step(self) -> float:
        """One iteration, in seconds."""
        at = torch.randint(len(self.images), (self.batch,))
        samples = [DataSample(metainfo=dict(sample_idx=int(i))).set_gt_label(int(i) % 10) for i in at]
        data = dict(inputs=self.images[at], data_samples=samples)
        start = self.now()
        self.model.train_step(data, self.optimizer)
        if self.hook is not None:
            self.hook.after_train_iter(self.runner, self.runner.iter)
        taken = self.now() - start
        self.runner.iter += 1
        return taken


def median_ms(work: Callable[[], Any], rounds: int) -> float:
    """The median time of some work, in milliseconds."""
    return round(1000 * statistics.median(timed(work) for _ in range(rounds)), 4)


def bookkeeping(batch: int) -> dict[str, float]:
    """The host's work at ImageNet's size, in milliseconds."""
    table = HardSampleTable(IMAGENET)
    order = torch.randperm(IMAGENET)
    missed = torch.rand(IMAGENET) < 0.3
    position = iter(range(0, IMAGENET - batch, batch))

    def update() -> None:
        rows = slice(at := next(position), at + batch)
        table.update(order[rows], missed[rows])

    costs = {f'update, batch of {batch}, per iteration': median_ms(update, 2000)}
    costs['replay of an epoch at the agreement of the ranks'] = median_ms(lambda: table.update(order, missed), 5)
    costs['bound of what is hard (quantile), per epoch'] = median_ms(table.refresh, 10)
    costs['copy for the checkpoint, per epoch'] = median_ms(table.state_dict, 10)
    pool = HardPool(size=512, min_size=1, prob=1.0)
    table.update(torch.arange(512), torch.ones(512))
    table.refresh()
    pool.bind(SimpleNamespace(hard_table=table))
    images, scores = torch.randint(256, (batch, 3, 32, 32)).float(), torch.eye(10)[torch.zeros(batch, dtype=torch.long)]
    for start in range(0, 512, batch):
        pool.observe(images, scores, list(range(start, start + batch)))
    costs[f'pool: partners for a batch of {batch} x 3 x 32 x 32'] = median_ms(lambda: pool(images, scores), 200)
    sample_idx = order[:batch].tolist()
    costs[f'pool: admission from a batch of {batch}, random samples'] = median_ms(
        lambda: pool.observe(images, scores, sample_idx), 200
    )
    hard = list(range(256, 256 + batch))
    costs[f'pool: admission from a batch of {batch}, all hard'] = median_ms(
        lambda: pool.observe(images, scores, hard), 200
    )
    return costs


def memory() -> dict[str, float]:
    """What a pool of 512 takes, in megabytes, and the table at ImageNet's size."""
    sizes = {}
    for name, side, classes in (('CIFAR-10', 32, 10), ('CIFAR-100', 32, 100), ('ImageNet', 224, 1000)):
        for dtype in ('uint8', 'float16'):
            pool = HardPool(dtype=dtype)
            pool.bind(
                SimpleNamespace(hard_table=SimpleNamespace(is_hard=lambda idx: torch.ones(len(idx), dtype=torch.bool)))
            )
            pool.observe(torch.zeros(1, 3, side, side), torch.eye(classes)[:1], [0])
            sizes[f'pool of 512, {name}, {dtype}'] = round(pool.memory_bytes / 1e6, 2)
    table = HardSampleTable(IMAGENET)
    sizes['table of 1,281,167 rows, on the host'] = round((table.seen.nbytes + table.missed.nbytes) / 1e6, 2)
    return sizes


def main() -> None:
    """Measure, print, write."""
    parser = ArgumentParser(description='The cost of HardMix beside CutMix')
    parser.add_argument('--batch', type=int, default=128 if torch.cuda.is_available() else 32)
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks/hardmix_cost.json')
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope('mmpretrain')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'

    arms = {name: Arm(hard, args.batch, 512, device) for name, hard in (('CutMix', False), ('HardMix', True))}
    times = in_turns({name: arm.step for name, arm in arms.items()}, args.rounds, warm_up=3, alternate=True)
    low, middle, high = quartiles(ratios(times['HardMix'], times['CutMix']))
    step = {
        'batch': args.batch,
        'rounds': args.rounds,
        'CutMix, median ms': round(1000 * statistics.median(times['CutMix']), 2),
        'HardMix, median ms': round(1000 * statistics.median(times['HardMix']), 2),
        'ratio of medians': round(statistics.median(times['HardMix']) / statistics.median(times['CutMix']), 4),
        'ratio per round, median': round(middle, 4),
        'ratio per round, quartiles': [round(low, 4), round(high, 4)],
    }
    document = dict(
        mark='ours',
        hardware=hardware('{machine} CPU, 1 thread, no GPU', device),
        torch=torch.__version__,
        step_resnet18_cifar=step,
        host_ms=bookkeeping(256),
        memory_mb=memory(),
    )
    print(json.dumps(document, indent=2))
    write_json(args.output, document)


if __name__ == '__main__':
    main()
