"""Small runs with a hard-sample memory, for tests; as a program, one rank of a distributed one."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

PACK = [dict(type='mmpretrain.PackInputs')]


@DATASETS.register_module()
class Greys(BaseDataset):
    """So many images of 8 x 8 pixels; the brighter, the higher the label, with some noise."""

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, count: int, seed: int = 0, pipeline: Any = PACK, **args: Any) -> None:
        self.count, self.seed = count, seed
        # Serializing makes MMEngine collect garbage, which takes half a second.
        super().__init__('', pipeline=pipeline, **{'serialize_data': False, **args})

    def load_data_list(self) -> list[dict]:
        draw = torch.Generator().manual_seed(self.seed)
        labels = torch.randint(10, (self.count,), generator=draw)
        images = torch.randint(60, (self.count, 8, 8, 3), generator=draw) + 20 * labels[:, None, None, None]
        return [dict(img=i.byte().numpy(), gt_label=int(label)) for i, label in zip(images, labels, strict=True)]


def greys(count: int = 40, **args: Any) -> dict:
    return dict(type='mmpretrain.Greys', count=count, **args)


def config(work_dir: Path | str, dataset: dict | None = None, prob: float = 0.0, **changes: Any) -> dict:
    """A run of three epochs with batches of 8; with ``prob=0`` nothing in it is random but the seeded order."""
    loader = dict(
        batch_size=8,
        num_workers=0,
        dataset=dataset or greys(),
        sampler=dict(type='DefaultSampler', shuffle=True, seed=1),
        collate_fn=dict(type='default_collate'),
    )
    settings = dict(
        default_scope='mmpretrain',
        work_dir=str(work_dir),
        model=dict(
            type='mmmix.MixClassifier',
            backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=32),
            data_preprocessor=dict(num_classes=10, mean=[77.8] * 3, std=[82.4] * 3),
            train_cfg=dict(
                augments=dict(type='mmmix.CutMix', prob=prob, partners=dict(type='mmmix.HardPool', min_size=2))
            ),
        ),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
        test_dataloader=dict(
            batch_size=8,
            dataset=greys(10, seed=1, pipeline=PACK),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
        ),
        test_cfg=dict(),
        test_evaluator=dict(type='Accuracy'),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='mmmix.HardSampleHook')],
        log_level='WARNING',
        randomness=dict(seed=0),
    )
    settings.update(changes)
    return settings


class Spy(Hook):
    """Write down, per epoch or pass, the table; and per iteration what the network made of which sample."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.tables: dict[int, dict] = {}
        self.seen: list[tuple[int, int, int]] = []
        self.start: dict = {}

    def before_train(self, runner) -> None:
        model = unwrapped(runner)
        self.start = model.hard_table.state_dict()
        loss = model.loss

        def spying(*args, **kwargs) -> dict:
            losses = loss(*args, **kwargs)
            idx, outcome = model.observed
            self.seen += [(runner.iter, i, o) for i, o in zip(idx, outcome.tolist(), strict=True)]
            return losses

        model.loss = spying

    def after_train_epoch(self, runner) -> None:
        self.tables[runner.epoch + 1] = unwrapped(runner).hard_table.state_dict()


def unwrapped(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def train(settings: dict) -> tuple[Runner, Spy]:
    """Run it to the end."""
    runner = Runner.from_cfg(
        {'experiment_name': str(len(os.listdir('/proc/self/fd'))) + os.urandom(4).hex(), **settings}
    )
    spy = Spy()
    runner.register_hook(spy)
    runner.train()
    return runner, spy


def hook_of(runner: Runner) -> Any:
    return next(hook for hook in runner.hooks if type(hook).__name__ == 'HardSampleHook')


class Dies(Hook):
    """Rank 1 is killed in its third iteration."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if dist.get_rank() == 1 and runner.iter == 2:
            os.kill(os.getpid(), 9)


def main() -> None:
    """``hard_runs.py WORK_DIR COUNT [dies]``: train on so many images, and write what this rank saw."""
    work_dir, count = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    settings = config(
        work_dir,
        greys(count),
        prob=0.5,
        launcher='pytorch',
        model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False),
        randomness=dict(seed=0, diff_rank_seed=True),
        custom_hooks=[dict(type='mmmix.HardSampleHook', scan_interval=2)],
    )
    runner = Runner.from_cfg(settings)
    spy = Spy()
    runner.register_hook(spy)
    if 'dies' in sys.argv:
        runner.register_hook(Dies())
    runner.train()
    torch.save(dict(tables=spy.tables, seen=spy.seen), work_dir / f'rank{dist.get_rank()}.pt')


if __name__ == '__main__':
    main()
