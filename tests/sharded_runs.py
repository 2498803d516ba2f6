"""Training steps on sharded and on whole parameters: ``sharded_runs.py OUTPUT RANK PORT CASE ...``.

Each rank has two copies of a classifier, one under PyTorch's ``fully_shard`` and one under DDP, that see its own
batches with its own draws. What it writes: the losses of each step and the gradients of the last one, of both copies.
"""

import os
import sys
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from learned_runs import Steps
from networks import DEIT, GUIDED, RESNET, SUMIX, classifier, data
from torch.nn.parallel import DistributedDataParallel

STEPS = 2
PLAIN = dict(type='mmmix.CutMix', alpha=1.0)


def cut_by(guide: str) -> dict:
    """CutMix that spares what a guide shows."""
    return dict(type='mmmix.CutMix', alpha=1.0, keep=dict(type='mmmix.SelectiveCut', guide=dict(type=f'mmmix.{guide}')))


#: Name -> network and mixer.
CASES: dict[str, tuple[dict, dict]] = {
    'input gradient': (RESNET, GUIDED),
    'class activation': (RESNET, cut_by('ClassActivation')),
    'attention': (DEIT, cut_by('Attention')),
    'sumix detached': (SUMIX, PLAIN),
    'sumix train': ({**SUMIX, 'head': {**SUMIX['head'], 'clean_pass': 'train'}}, PLAIN),
    'sumix and a guide': (SUMIX, GUIDED),
    'puzzlemix': (RESNET, dict(type='mmmix.PuzzleMix')),
    'features': (RESNET, dict(type='mmmix.ManifoldMix', at=['backbone.layer2'])),
}


def sharded(model: Any, head: bool) -> Any:
    """The classifier, its stages and perhaps its head with parameters of their own group, the others with the root."""
    from torch.distributed.fsdp import fully_shard

    stages = getattr(model.backbone, 'layers', None) or [getattr(model.backbone, n) for n in model.backbone.res_layers]
    for module in (*stages, model.head) if head else stages:
        fully_shard(module)
    return fully_shard(model)


def whole(value: Any) -> torch.Tensor:
    """A sharded tensor put together."""
    return value.full_tensor() if hasattr(value, 'full_tensor') else value


def steps(model: Any, run: Any, seed: int) -> dict:
    """Some steps of SGD: the losses, and the gradients of the last one."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05)
    told: list[dict[str, float]] = []
    for step in range(STEPS):
        torch.manual_seed(100 * step + seed)
        losses = run(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
        optimizer.zero_grad()
        torch.stack([value for name, value in losses.items() if 'loss' in name]).sum().backward()
        told.append({name: float(value.detach()) for name, value in losses.items()})
        grads = {name: whole(p.grad).clone() for name, p in model.named_parameters() if p.grad is not None}
        optimizer.step()
    return dict(losses=told, grads=grads)


def both(network: dict, augment: dict, seed: int) -> dict:
    """The same steps on whole parameters and on sharded ones."""
    torch.manual_seed(0)
    model = classifier(network, augment).train()
    wrapped = DistributedDataParallel(Steps(model), broadcast_buffers=False)
    other = sharded(deepcopy(model), head=not hasattr(model.head, 'loss_mix'))
    return dict(
        whole=steps(model, wrapped, seed), sharded=steps(other, lambda *batch: other(*batch, mode='loss'), seed)
    )


def refused(network: dict, augment: dict) -> str:
    """What a first step on sharded parameters says."""
    model = sharded(classifier(network, augment).train(), head=True)
    try:
        model(torch.rand(4, 3, 32, 32), data(4)['data_samples'], mode='loss')
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    return 'nothing'


def main() -> None:
    """Be one of two ranks."""
    output, rank, port = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    dist.init_process_group('gloo', rank=rank, world_size=2, timeout=timedelta(seconds=120))
    told: dict[str, Any] = {}
    for name, (network, augment) in CASES.items():
        if name in sys.argv[4:] or len(sys.argv) == 4:
            told[name] = both(network, augment, rank)
    told['refused'] = [
        refused(RESNET, dict(type='mmmix.AutoMix')),
        refused(SUMIX, PLAIN),
        refused(DEIT, dict(type='mmmix.MergeMix', patch_size=8)),
    ]
    torch.save(told, output)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
