"""What the memories of the three systems cost at ImageNet's size on 8, 64 and 512 ranks, added up.

    python benchmarks/scale.py

Times are measured here, in one process on one thread of a CPU, with tables of 1,281,167 rows: what a rank's host does
after each step and at the end of each epoch. What other ranks would have sent is made up, in as many parts as there
are ranks: ``simulated``. Bytes are counted from the tensors that are sent. Nothing here waits for a network.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from mmmix import HardPool
from mmmix.engine import PredictionTable
from mmmix.engine.agreement import Outcomes, SharedTable, as_rows, in_one_order
from mmmix.evaluation.frame import environment, table, timed, write_json
from mmmix.partners import HardSampleTable

IMAGES, CLASSES, BATCH, TOP = 1_281_167, 1000, 256, 5
RANKS = (8, 64, 512)


def milliseconds(work: Callable[[], Any], rounds: int) -> float:
    """The median time of some work."""
    return round(1000 * statistics.median(timed(work) for _ in range(rounds)), 3)


def hard_table() -> tuple[Any, Tensor]:
    """A table of hard samples, and outcomes of a batch, as the model sends them."""
    return HardSampleTable(IMAGES), (torch.rand(BATCH) < 0.3).to(torch.int8)


def prediction_table() -> tuple[Any, Tensor]:
    """A table of predictions, and those of a batch."""
    return PredictionTable(IMAGES, CLASSES, TOP), PredictionTable.compact(3 * torch.randn(BATCH, CLASSES), TOP)


TABLES: dict[str, Callable[[], tuple[Any, Tensor]]] = {
    '`HardSampleHook`': hard_table,
    '`PredictionMemoryHook`, 5 classes': prediction_table,
}


def step_of(make: Callable[[], tuple[Any, Tensor]]) -> dict[str, Any]:
    """What a rank does for a table after each step."""
    memory, outcome = make()
    shared: SharedTable = SharedTable(memory)
    order = torch.randperm(IMAGES)
    places = iter(range(0, IMAGES - BATCH, BATCH))

    def update() -> None:
        at = next(places)
        shared.count(at, *Outcomes.sent(at, order[at : at + BATCH], outcome).known())

    return dict(to_host=outcome.nbytes, milliseconds=milliseconds(update, 500))


def epoch_of(make: Callable[[], tuple[Any, Tensor]], ranks: int) -> dict[str, Any]:
    """What a rank does for a table at the end of an epoch, given what all ranks saw."""
    memory, outcome = make()
    order, steps = torch.randperm(IMAGES), IMAGES // (BATCH * ranks)
    width = memory.outcome.numel()
    of_ranks = []
    for rank in range(ranks):
        own = order[rank::ranks][: BATCH * steps].split(BATCH)
        of_ranks.append(
            as_rows([(i, idx, outcome[: len(idx)].reshape(len(idx), -1)) for i, idx in enumerate(own)], width)
        )

    def agree() -> None:
        seen = in_one_order(of_ranks)
        memory.update(seen[:, 1], seen[:, 2:].reshape(-1, *memory.outcome.shape).to(memory.outcome.dtype))
        if isinstance(memory, HardSampleTable):
            memory.refresh()
        memory.state_dict()

    return dict(
        ranks=ranks,
        steps=steps,
        sends=of_ranks[0].nbytes + 8,
        receives=sum(rows.nbytes + 8 for rows in of_ranks),
        milliseconds=milliseconds(agree, 3),
    )


def pool_work() -> dict[str, float]:
    """What the pool of hard samples does for a batch of 256, on the host, images of 32 x 32, in milliseconds."""
    memory = HardSampleTable(IMAGES)
    memory.update(torch.arange(512), torch.ones(512))
    memory.refresh()
    pool = HardPool(size=512, min_size=1, prob=1.0)
    pool.bind(SimpleNamespace(hard_table=memory))
    images, scores = torch.rand(BATCH, 3, 32, 32), torch.eye(10)[torch.zeros(BATCH, dtype=torch.long)]
    for start in (0, BATCH):
        pool.observe(images, scores, list(range(start, start + BATCH)))
    random, hard = torch.randperm(IMAGES)[:BATCH].tolist(), list(range(BATCH))
    return {
        'partners for a batch': milliseconds(lambda: pool(images, scores), 100),
        'admission, random samples': milliseconds(lambda: pool.observe(images, scores, random), 100),
        'admission, all hard': milliseconds(lambda: pool.observe(images, scores, hard), 100),
    }


def bytes_held() -> dict[str, int]:
    """What is held for good, in bytes."""
    hard, predicted = HardSampleTable(IMAGES), PredictionTable(IMAGES, CLASSES, TOP)
    held = {
        'hard samples, on the host and in a checkpoint': sum(value.nbytes for value in hard.state_dict().values()),
        'predictions, on the host and in a checkpoint': predicted.memory_bytes,
        'random state of a rank, in a checkpoint': torch.get_rng_state().nbytes,
    }
    for dtype in ('uint8', 'float16'):
        pool = HardPool(dtype=dtype)
        everyone = SimpleNamespace(is_hard=lambda idx: torch.ones(len(idx), dtype=torch.bool))
        pool.bind(SimpleNamespace(hard_table=everyone))
        pool.observe(torch.zeros(1, 3, 224, 224), torch.eye(CLASSES)[:1], [0])
        held[f'pool of 512 images of 224 x 224, {dtype}, on the device'] = pool.memory_bytes
    return held


def page(found: dict[str, Any]) -> str:
    """All of it as Markdown."""
    versions, machine = found['versions'], found['hardware']['machine']
    steps = [[name, f'{row["to_host"]:,}', f'{row["milliseconds"]:.2f}'] for name, row in found['steps'].items()]
    epochs = [
        [
            name,
            row['ranks'],
            f'{row["steps"]:,}',
            2,
            f'{row["sends"] / 1e6:.2f}',
            f'{row["receives"] / 1e6:.0f}',
            f'{row["milliseconds"]:,.0f}',
        ]
        for name, rows in found['epochs'].items()
        for row in rows
    ]
    head = ['memory', 'ranks', 'steps an epoch', 'collectives', 'a rank sends, MB', 'a rank receives, MB', 'ms']
    held = [[name, f'{size / 1e6:.2f}'] for name, size in found['held'].items()]
    pool = [[name, f'{value:.2f}'] for name, value in found['pool'].items()]
    return f"""# What the memories cost at scale

ImageNet, {IMAGES:,} images, {CLASSES:,} classes, {BATCH} images a rank and step. Times are `ours`, measured in one
process on one thread of a shared {machine} CPU with torch {versions['torch']}; what other ranks would have sent is made
up, so all figures for several ranks are `simulated`. A network's time is not in them.

**After each step**, on the host of each rank, while the device goes on. No collective:

{table(['memory', 'bytes to the host', 'ms'], steps)}

A pool of hard samples, likewise, images of 32 x 32 (larger ones cost the device more, not the host):

{table(['what', 'ms'], pool)}

**At the end of each epoch**, all ranks agree. Every rank gets what all saw and replays it in one order, so all tables
are equal. The milliseconds are those of the replay, the bound of what is hard, and the copy for the checkpoint:

{table(head, epochs)}

**What is held**:

{table(['what', 'MB'], held)}

What grows with what: bytes and times of an agreement with the images, not with the ranks, since an epoch is as long for
all of them together; a table with the images, and predictions with `top`, not with the classes; a pool with its `size`,
the pixels and the classes of its labels. A checkpoint holds each table once and the random state of every rank.

Beside these, a run in which a part looks at the model broadcasts one number once, so that all ranks toss the same
coins. Mixing itself sends nothing.

`python benchmarks/scale.py`
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = dict(
        **environment(),
        mark='times ours, ranks simulated',
        steps={name: step_of(make) for name, make in TABLES.items()},
        epochs={name: [epoch_of(make, ranks) for ranks in RANKS] for name, make in TABLES.items()},
        pool=pool_work(),
        held=bytes_held(),
    )
    write_json(args.output, found)
    args.output.with_suffix('.md').write_text(page(found), encoding='utf-8')


if __name__ == '__main__':
    main()
