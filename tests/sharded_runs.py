"""Training steps on sharded and on whole parameters: ``sharded_runs.py OUTPUT RANK PORT CASE ...``.

Each rank has three copies of a classifier, under DDP, under ``fully_shard`` (FSDP 2) and under
``FullyShardedDataParallel`` (FSDP 1), that see its own batches with its own draws. It writes the losses of each step
and the gradients of the last one.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from learned_runs import Steps
from networks import DEIT, GUIDED, RESNET, SUMIX, classifier, data
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.fsdp.wrap import CustomPolicy
from torch.nn.parallel import DistributedDataParallel

STEPS = 2
IN_TRAIN_MODE = dict(type='mmmix.SUMixHead', num_classes=5, in_channels=64, clean_pass='train')
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
    'sumix train': ({**RESNET, 'head': IN_TRAIN_MODE}, PLAIN),
    'sumix and a guide': (SUMIX, GUIDED),
    'puzzlemix': (RESNET, dict(type='mmmix.PuzzleMix')),
    'features': (RESNET, dict(type='mmmix.ManifoldMix', at=['backbone.layer2'])),
}


def whole(value: Any) -> torch.Tensor:
    """A tensor of FSDP 2 put together."""
    return value.full_tensor() if hasattr(value, 'full_tensor') else value


def stages(model: Any) -> list[torch.nn.Module]:
    """The stages of its backbone, or the blocks of a transformer."""
    return list(
        getattr(model.backbone, 'layers', None) or [getattr(model.backbone, n) for n in model.backbone.res_layers]
    )


def by_groups(model: Any, head: bool) -> Any:
    """FSDP 2: the stages and perhaps the head with parameters of their own group, the others with the root."""
    for module in (*stages(model), model.head) if head else stages(model):
        fully_shard(module)
    return fully_shard(model)


def by_wrapper(model: Any, head: bool = False) -> FullyShardedDataParallel:
    """FSDP 1, as MMEngine has it: the stages are wrapped, and the model."""
    own = stages(model)
    policy = CustomPolicy(lambda module: any(module is each for each in own))
    device = torch.device('cpu')
    return FullyShardedDataParallel(model, auto_wrap_policy=policy, device_id=device, use_orig_params=True)


@contextmanager
def together(model: Any) -> Iterator[None]:
    """With the gradients of FSDP 1 as wholes."""
    if not isinstance(model, FullyShardedDataParallel):
        yield
        return
    with FullyShardedDataParallel.summon_full_params(model, with_grads=True):
        yield


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
        with together(model):
            grads = {
                name.replace('_fsdp_wrapped_module.', ''): whole(p.grad).clone()
                for name, p in model.named_parameters()
                if p.grad is not None
            }
        optimizer.step()
    return dict(losses=told, grads=grads)


def compared(network: dict, augment: dict, seed: int) -> dict:
    """The same steps on whole parameters and on sharded ones; a line where they are refused."""
    torch.manual_seed(0)
    model = classifier(network, augment).train()
    copies = deepcopy(model), deepcopy(model)
    told: dict[str, Any] = dict(
        whole=steps(model, DistributedDataParallel(Steps(model), broadcast_buffers=False), seed)
    )
    for name, shard, copy in zip(('groups', 'wrapper'), (by_groups, by_wrapper), copies, strict=True):
        other = shard(copy, head=not hasattr(model.head, 'loss_mix'))
        try:
            told[name] = steps(other, partial(other, mode='loss'), seed)
        except RuntimeError as error:
            told[name] = str(error)
    return told


def first_step(network: dict, augment: dict, shard: Any) -> str:
    """What a first step on sharded parameters is refused with."""
    model = shard(classifier(network, augment).train())
    try:
        model(torch.rand(4, 3, 32, 32), data(4)['data_samples'], mode='loss')
    except RuntimeError as error:
        return str(error)
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
            told[name] = compared(network, augment, rank)
    teacher = dict(type='mmmix.AutoMix')
    told['teacher'] = [first_step(RESNET, teacher, shard) for shard in (partial(by_groups, head=True), by_wrapper)]
    told['head'] = first_step(SUMIX, PLAIN, partial(by_groups, head=True))
    merging = dict(type='mmmix.MergeMix', patch_size=8)
    told['merging'] = [first_step(DEIT, merging, shard) for shard in (partial(by_groups, head=True), by_wrapper)]
    torch.save(told, output)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
