"""Steps of a rank whose passes through the network are collectives: ``python tests/coin_runs.py OUTPUT RANK PORT``."""

import json
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from networks import GUIDED, RESNET, SUMIX, classifier, data

CUT = dict(type='mmmix.CutMix', prob=0.5)
KEPT = {**GUIDED, 'prob': 0.5}
LEARNED: Any = SUMIX
DETACHED = {**LEARNED, 'head': {**LEARNED['head'], 'clean_pass': 'detached'}}
#: Name -> the network, its mixers and their probabilities, and whether a pass in eval mode is a collective too.
SCENES: dict[str, tuple[dict, Any, list[float] | None, bool]] = {
    'SyncBN, clean pass in train mode': (SUMIX, {**CUT, 'at': ['', 'backbone.layer2']}, None, False),
    'sharded, detached clean pass': (DETACHED, CUT, None, True),
    'sharded, guide': (RESNET, KEPT, None, True),
    'sharded, one recipe of three': (RESNET, [KEPT, dict(type='mmmix.Mixup')], [0.4, 0.3], True),
}
STEPS = 12


def passes(scene: str, seed: int, meet: Callable[[], Any] = lambda: None) -> dict[str, list]:
    """How many passes were collectives after each step, what was mixed, and how much.

    Args:
        scene (str): One of ``SCENES``.
        seed (int): The rank's.
        meet (Callable): What a rank does in each such pass.
    """
    network, augments, probs, in_eval = SCENES[scene]
    torch.manual_seed(0)
    model = classifier(deepcopy(network), None)
    train_cfg = dict(augments=deepcopy(augments), **({} if probs is None else dict(probs=probs)))
    model = type(model)(**deepcopy(network), train_cfg=train_cfg)
    count = 0

    def collective(module: Any, args: Any) -> None:
        nonlocal count
        if module.training or in_eval:
            count += 1
            meet()

    model.backbone.register_forward_pre_hook(collective)
    torch.manual_seed(seed)
    told: dict[str, list] = dict(passes=[], mixed=[], lam=[])
    for _ in range(STEPS):
        log = model.loss(torch.rand(4, 3, 16, 16), data(4)['data_samples'])
        told['passes'].append(count)
        told['mixed'].append(bool(log['mixed'] > 0))
        told['lam'].append(float(log['lam']))
    return told


def main() -> None:
    """Be one of two ranks."""
    output, rank, port = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    dist.init_process_group('gloo', rank=rank, world_size=2, timeout=timedelta(seconds=20))
    counter = torch.ones(())
    found = {scene: passes(scene, rank, lambda: dist.all_reduce(counter)) for scene in SCENES}
    output.write_text(json.dumps(found))
    dist.barrier()


if __name__ == '__main__':
    main()
