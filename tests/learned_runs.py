"""Steps of a rank of two that train a learned mixer under DDP: ``learned_runs.py OUTPUT RANK PORT NAME``."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from networks import RESNET, classifier, data
from torch.nn.parallel import DistributedDataParallel

STEPS = 4


class Steps(torch.nn.Module):
    """A classifier whose forward is its loss, as MMEngine's wrapper has it."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor, samples: Any) -> dict[str, torch.Tensor]:
        """Losses."""
        return self.model.loss(inputs, samples)


def main() -> None:
    """Be one of two ranks: the same network, other images and draws; steps that mix and steps that do not."""
    output, rank, port, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    dist.init_process_group('gloo', rank=rank, world_size=2, timeout=timedelta(seconds=60))
    torch.manual_seed(0)
    augments = [dict(type=f'mmmix.{name}', momentum=(0.5, 0.5)), dict(type='mmmix.CutMix')]
    model = classifier(RESNET, augments).train()
    wrapped = DistributedDataParallel(Steps(model), broadcast_buffers=False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    torch.manual_seed(rank + 1)
    for _ in range(STEPS):
        losses = wrapped(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
        optimizer.zero_grad()
        torch.stack([value for name, value in losses.items() if 'loss' in name]).sum().backward()
        optimizer.step()
    told = {name: p.detach() for name, p in model.named_parameters()}
    torch.save({**told, 'steps': model.learned[name.lower()].teacher.steps}, output)
    dist.barrier()


if __name__ == '__main__':
    main()
