"""Runs of MMEngine's FlexibleRunner; as a program one rank: ``flexible_runs.py WORK_DIR whole|dies|goes on``."""

import itertools
import os
import sys
from pathlib import Path
from typing import Any

import torch
from hard_runs import config, greys, unwrapped
from mmengine import dist
from mmengine.config import Config
from mmengine.hooks import Hook

from mmmix.cli import build_runner
from mmmix.engine.checkpoint_files import newest_whole

#: Names the next run.
NUMBERS = itertools.count()


def settings(work_dir: Path, strategy: str | dict, count: int = 24, **changes: Any) -> dict:
    """All three systems on so many images for three epochs: CutMix that spares what a gradient shows."""
    keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'))
    made = config(
        work_dir,
        greys(count),
        custom_hooks=[dict(type='mmmix.HardSampleHook', min_hardness=0.0), dict(type='mmmix.RandomStateHook')],
        default_hooks=dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=1, max_keep_ckpts=2)),
        randomness=dict(seed=0, diff_rank_seed=True),
        runner_type='FlexibleRunner',
        strategy=dict(type=strategy) if isinstance(strategy, str) else strategy,
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
    )
    made['model']['head'] = dict(type='mmmix.SUMixHead', num_classes=10, in_channels=32)
    partners = dict(type='mmmix.HardPool', min_size=2)
    made['model']['train_cfg'] = dict(augments=dict(type='mmmix.CutMix', prob=0.7, keep=keep, partners=partners))
    made.update(changes)
    return made


class Shares(Hook):
    """Write down the own share and the loss of each step."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.seen.append((float(outputs['lam'].detach()), float(outputs['loss'].detach())))


class Dies(Hook):
    """The last rank is killed in its last epoch, once its first step is done."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.epoch == 2 and dist.get_rank() == dist.get_world_size() - 1:
            os.kill(os.getpid(), 9)


def trained(made: dict, *hooks: Hook) -> tuple[Any, list[tuple[float, float]]]:
    """Train from another random state than any run before."""
    number = next(NUMBERS)
    torch.manual_seed(number + 500)
    runner = build_runner(Config({'experiment_name': f'flexible{number}{os.urandom(3).hex()}', **made}))
    shares = Shares()
    for hook in (shares, *hooks):
        runner.register_hook(hook)
    runner.train()
    return runner, shares.seen


def ended(runner: Any) -> dict:
    """What a run ended with: the model, the memory and the pool."""
    model = unwrapped(runner)
    (mixer,) = model.mixers()
    return dict(
        model=model.state_dict(),
        table=model.hard_table.state_dict(),
        pool={name: value for name, value in mixer.partners.state_dict().items() if isinstance(value, torch.Tensor)},
    )


#: Strategies as a config has them; FSDP asks for a GPU unless it is told where to compute.
STRATEGIES: dict[str, dict[str, Any]] = dict(
    ddp=dict(type='DDPStrategy'),
    fsdp=dict(type='FSDPStrategy', state_dict_cfg='full', model_wrapper=dict(device_id='cpu')),
    parts=dict(type='FSDPStrategy', state_dict_cfg='local', model_wrapper=dict(device_id='cpu')),
)


def main() -> None:
    """Train 25 images, an odd number; a run that goes on begins with the newest checkpoint of the work dir."""
    work_dir, strategy, mode = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    torch.set_num_threads(1)
    made = settings(work_dir, STRATEGIES[strategy], 25, launcher='pytorch')
    if mode == 'goes on':
        made.update(resume=True, load_from=newest_whole(work_dir)[0])
    runner, seen = trained(made, *([Dies()] if mode == 'dies' else []))
    told = dict(seen=seen, wrapper=type(runner.model).__name__, **ended(runner))
    part = work_dir / 'epoch_3.pth' / f'rank{dist.get_rank()}.pth'
    if part.is_file():  # only where there are ranks can a part be read
        saved = torch.load(part, weights_only=False)
        told['saved'] = {name: saved[name] for name in ('hard_samples', 'random_state')}
    torch.save(told, work_dir / f'rank{dist.get_rank()}.pt')


if __name__ == '__main__':
    main()
