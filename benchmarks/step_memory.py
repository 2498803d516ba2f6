"""What a training step holds at its peak, with each of the three systems, beside plain training.

The arms are those of ``cost.py``. Counted are the tensors of a whole step of MMEngine's loop on the CPU, by their
storage: what was there before it (weights, momentum, a full pool of 256 hard samples), and the most that is held at
once during it (activations kept for the backward pass, gradients, clean passes, masks). What a convolution needs inside
itself is not seen. On a GPU it is what PyTorch's allocator says.

    python benchmarks/step_memory.py          # ResNet-18 at 32 x 32 with batches of 64; ResNet-50 at 224 with 8

``benchmarks/step_memory.md`` is what came out.
"""

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from cost import ARMS, SETTINGS, TOLD, Training
from mixers_traffic import Traffic
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mmmix import HardPool
from mmmix.evaluation.frame import environment, table, write_json

#: What all three systems together may hold, relative to plain training.
BUDGET = {'all three, lowres': 1.15}


def held_before(training: Training) -> int:
    """The bytes of weights, running statistics, momentum and pools."""
    runner: Any = training.runner
    states = [*runner.model.parameters(), *runner.model.buffers()]
    states += tree_leaves(list(runner.optim_wrapper.optimizer.state.values()))
    pools = (mixer.partners for mixer in runner.model.mixers())
    states += [each for pool in pools if isinstance(pool, HardPool) for each in (pool.images, pool.scores)]
    return sum({id(each): each.untyped_storage().nbytes() for each in states if isinstance(each, Tensor)}.values())


def peak(arm: str, setting: str, device: str) -> int:
    """The bytes that are held at the peak of a step in which nothing idles."""
    with tempfile.TemporaryDirectory() as folder:
        training = Training(ARMS[arm], setting, None, device, folder)
        for _ in range(2):  # Momentum comes into being, and the pool.
            training.step()
        if device != 'cpu':
            torch.cuda.reset_peak_memory_stats()
            training.step()
            return torch.cuda.max_memory_allocated()
        before = held_before(training)
        with Traffic('cpu') as traffic:
            training.step()
        training.check(arm)
        return before + traffic.peak


def page(settings: dict[str, dict[str, int]], told: dict[str, Any]) -> str:
    """The results in words."""
    first, *text = __doc__.strip().split('\n\n')
    parts = [f'# Memory of a step\n\n{first}\n\n{text[0]}']
    for name, bytes_of in settings.items():
        kind, batch = name.split('-')
        backbone, _, side, _, _ = SETTINGS[name]
        title = TOLD[kind].format(width=backbone.get('base_channels', 64), side=side, batch=batch)
        rows = []
        for arm, value in bytes_of.items():
            ratio, budget = value / bytes_of['none'], BUDGET.get(arm)
            met = '' if budget is None else 'yes' if ratio <= budget else 'no'
            rows.append([arm, f'{value / 1e6:.1f}', f'{ratio:.3f}', budget, met])
        parts.append(f'## {title}\n\n{table(["arm", "MB", "to none", "budget", "met"], rows)}')
    parts.append(f'Every number is `ours`: torch {told["versions"]["torch"]}, float32.')
    parts.append('`python benchmarks/step_memory.py`')
    return '\n\n'.join(parts) + '\n'


def main() -> None:
    """Count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', choices=SETTINGS, default=['cifar-64', 'imagenet-8'], metavar='SETTING')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--output', type=Path, default=Path(__file__).with_suffix('.json'))
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    settings = {name: {arm: peak(arm, name, args.device) for arm in ARMS} for name in args.only}
    told = dict(device=args.device, **environment())
    write_json(args.output, dict(setting=told, bytes=settings))
    args.output.with_suffix('.md').write_text(page(settings, told), encoding='utf-8')


if __name__ == '__main__':
    main()
