"""Small runs with a memory of predictions, for tests; as a program, one rank of a distributed one."""

import sys
from pathlib import Path
from typing import Any

import torch
from hard_runs import config, greys, unwrapped
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.runner import Runner

HOOKS: list[dict[str, Any]] = [dict(type='mmmix.HardSampleHook'), dict(type='mmmix.PredictionMemoryHook', top=3)]


def remembering(work_dir: Path | str, prob: float = 0.5, count: int = 40, **changes: Any) -> dict:
    """A run with SUMix by memory."""
    settings = config(work_dir, greys(count), prob=prob, custom_hooks=HOOKS)
    head = dict(type='mmmix.SUMixHead', num_classes=10, in_channels=32, clean_pass='memory', regularizer='semantic')
    settings['model'] = {**settings['model'], 'head': head}
    return {**settings, **changes}


class Witness(Hook):
    """Write down what the network says of each sample that it sees unmixed, and the table at the end of each epoch."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, torch.Tensor]] = []
        self.tables: dict[int, dict] = {}
        self.given: list[tuple[list[int], Any]] = []

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner)
        logits: list[torch.Tensor] = []
        mixes: list[Any] = []
        model.head.register_forward_hook(lambda module, args, output: logits.append(output.detach()))
        model.on_mix = mixes.append
        loss, loss_mix = model.loss, model.head.loss_mix

        def spying(inputs: Any, data_samples: Any) -> dict:
            losses = loss(inputs, data_samples)
            whole = mixes[-1].mask.expand(len(inputs), -1, -1, -1).flatten(1).amin(1) == 1
            for sample, row, is_whole in zip(data_samples, logits[-1], whole, strict=True):
                if is_whole or not mixes[-1].mixed:
                    self.seen.append((runner.iter, sample.sample_idx, row.softmax(0)))
            return losses

        def told(feats: Any, mix: Any, clean: Any) -> dict:
            if clean is not None:
                self.given.append((list(model._step.sample_idx()), clean))
            return loss_mix(feats, mix, clean)

        model.loss, model.head.loss_mix = spying, told

    def after_train_epoch(self, runner: Runner) -> None:
        self.tables[runner.epoch + 1] = unwrapped(runner).predictions.state_dict()


def train(settings: dict, resume: bool = False) -> tuple[Runner, Witness]:
    """Run it to the end."""
    name = f'{Path(settings["work_dir"]).name}{int(resume)}{torch.randint(10**9, ()).item()}'
    runner = Runner.from_cfg({'experiment_name': name, **settings, 'resume': resume})
    witness = Witness()
    runner.register_hook(witness)
    runner.train()
    return runner, witness


def main() -> None:
    """``prediction_runs.py WORK_DIR COUNT``: train on so many images, and write what this rank saw."""
    work_dir, count = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    settings = remembering(
        work_dir,
        count=count,
        launcher='pytorch',
        model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False),
        randomness=dict(seed=0, diff_rank_seed=True),
    )
    _, witness = train(settings)
    torch.save(dict(tables=witness.tables, seen=witness.seen), work_dir / f'rank{dist.get_rank()}.pt')


if __name__ == '__main__':
    main()
