"""The states of two ranks, in one process that is told what the other rank says."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.evaluation import Accuracy
from test_resume import run, settings

from mmmix.engine.hooks import random_state_hook
from mmmix.engine.random_states import RandomState

#: The seed of the first rank, and where the generators of the other one are.
SEED, PLACE = 777, (3, 1, 4)


class TwoRanks:
    """Stands for ``mmengine.dist`` in the hook: this process is one of two ranks."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.told: list[dict] = []

    def get_world_size(self) -> int:
        return 2

    def get_rank(self) -> int:
        return self.rank

    def is_main_process(self) -> bool:
        return self.rank == 0

    def broadcast(self, seed: torch.Tensor) -> None:
        if self.rank:
            seed.fill_(SEED)

    def gather_object(self, own: dict) -> list[dict]:
        self.told.append(own)
        buffers = {'backbone.bn1.running_mean': torch.full((4,), 5.0)}
        return [own, {**own, 'generators': RandomState.fresh(*PLACE).plain(), 'buffers': buffers}]


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> TwoRanks:
    two = TwoRanks(0)
    monkeypatch.setattr(random_state_hook, 'dist', two)
    return two


def states_in(path: Path) -> list[dict]:
    return torch.load(path, weights_only=False)['random_state']['ranks']


def test_a_checkpoint_that_a_new_best_one_renews_has_the_states_of_all(
    ranks: TwoRanks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second epoch is saved. After that each epoch is the best so far, and saved once that is known."""
    better = itertools.count()
    monkeypatch.setattr(Accuracy, 'compute_metrics', lambda self, results: dict(top1=float(next(better))))
    made = settings(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=4))
    made.update(
        val_dataloader=made['test_dataloader'],
        val_evaluator=dict(type='Accuracy'),
        val_cfg=dict(),
        default_hooks=dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=2, save_best='auto')),
    )
    run(made)
    assert sorted(path.name for path in tmp_path.glob('epoch_*.pth')) == [f'epoch_{epoch}.pth' for epoch in (2, 3, 4)]
    assert [len(states_in(tmp_path / f'epoch_{epoch}.pth')) for epoch in (2, 3, 4)] == [2, 2, 2]
    assert len(ranks.told) == 4, 'once for each epoch'


@pytest.mark.parametrize(('max_iters', 'saved'), [(5, [2, 4, 5]), (4, [2, 4])])
def test_a_checkpoint_within_a_pass_has_the_states_of_all(
    ranks: TwoRanks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_iters: int, saved: list[int]
) -> None:
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda seconds: None)  # two seconds a pass
    hooks = dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=2, by_epoch=False))
    run(settings(tmp_path, loop=dict(by_epoch=False, max_iters=max_iters), default_hooks=hooks))
    assert sorted(int(path.stem[5:]) for path in tmp_path.glob('iter_*.pth')) == saved
    assert [len(states_in(tmp_path / f'iter_{i}.pth')) for i in saved] == [2] * len(saved)
    assert len(ranks.told) == len(saved)


@pytest.mark.parametrize(('max_epochs', 'saved'), [(3, [2, 3]), (2, [2])])
def test_a_checkpoint_of_an_epoch_has_the_states_of_all(
    ranks: TwoRanks, tmp_path: Path, max_epochs: int, saved: list[int]
) -> None:
    hooks = dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=2))
    run(settings(tmp_path, loop=dict(by_epoch=True, max_epochs=max_epochs), default_hooks=hooks))
    assert sorted(int(path.stem[6:]) for path in tmp_path.glob('epoch_*.pth')) == saved
    assert [len(states_in(tmp_path / f'epoch_{i}.pth')) for i in saved] == [2] * len(saved)
    assert len(ranks.told) == len(saved)


class Look(Hook):
    """What the model and the generators have when training begins, and where the next batch is counted from."""

    def before_train(self, runner: Any) -> None:
        self.before = {name: value.clone() for name, value in runner.model.state_dict().items()}

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            self.state = RandomState.now()


def looked_at(made: dict, **changes: Any) -> tuple[Look, Runner]:
    """Train with an eye on the beginning."""
    look, runner = Look(), Runner.from_cfg({**made, 'experiment_name': Path(made['work_dir']).name, **changes})
    runner.model.register_buffer('scratch', torch.zeros(2), persistent=False)
    runner.register_hook(look, priority='LOWEST')
    runner.train()
    return look, runner


def test_a_rank_goes_on_with_its_own_states_and_buffers(ranks: TwoRanks, tmp_path: Path) -> None:
    run(settings(tmp_path / 'a', train_cfg=dict(by_epoch=True, max_epochs=1)))
    assert ranks.told[0]['buffers'] == {}, 'those of the first rank are in the checkpoint anyway'
    ranks.rank = 1
    path = tmp_path / 'a' / 'epoch_1.pth'
    made = settings(tmp_path / 'b', train_cfg=dict(by_epoch=True, max_epochs=2))
    look, runner = looked_at(made, resume=True, load_from=str(path))
    expected = {**torch.load(path, weights_only=False)['state_dict']}
    assert not torch.equal(expected['backbone.bn1.running_mean'], torch.full((4,), 5.0))
    expected['backbone.bn1.running_mean'] = torch.full((4,), 5.0)
    assert look.before.keys() == expected.keys()
    assert not [name for name, value in expected.items() if not torch.equal(value, look.before[name])]
    place = RandomState.fresh(*PLACE)
    assert torch.equal(look.state.torch, place.torch) and look.state.python == place.python
    told = ranks.told[-1]['buffers']
    assert told.keys() == expected.keys() - dict(runner.model.named_parameters()).keys()
    assert all(torch.equal(value, runner.model.state_dict()[name]) for name, value in told.items())


def test_all_ranks_number_their_batches_with_the_seed_of_the_first(ranks: TwoRanks, tmp_path: Path) -> None:
    made = settings(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1))
    for rank in (1, 0):
        ranks.rank = rank
        _, runner = looked_at(made, experiment_name=f'seed{rank}')
        saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['random_state']['seed']
        assert saved == (SEED if rank else runner.seed) and runner.seed != SEED


class Saves(Hook):
    """Save a checkpoint that nobody else knows of."""

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter == 1:
            runner.save_checkpoint(runner.work_dir, 'extra.pth')


@pytest.mark.parametrize('world', [1, 2])
def test_a_checkpoint_that_nobody_foresaw_has_states_on_one_rank_alone(
    ranks: TwoRanks, tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    """On several ranks the main process, which saves it, cannot ask the others by itself."""
    monkeypatch.setattr(ranks, 'get_world_size', lambda: world)
    runner = Runner.from_cfg(
        {**settings(tmp_path, loop=dict(by_epoch=True, max_epochs=1)), 'experiment_name': f'extra{world}'}
    )
    runner.register_hook(Saves())
    runner.train()
    saved = torch.load(tmp_path / 'extra.pth', weights_only=False)
    assert ('random_state' in saved) == (world == 1)
    assert ('nobody asked the other ranks' in ''.join(capfd.readouterr())) == (world == 2)


def test_partners_of_other_mixers_begin_without_a_memory(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    run(settings(tmp_path / 'a', loop=dict(by_epoch=True, max_epochs=1)))
    capfd.readouterr()
    made = settings(tmp_path / 'b', loop=dict(by_epoch=True, max_epochs=2))
    made['model']['train_cfg'] = dict(augments=dict(type='mmmix.RecursiveMix'))
    runner, _ = run({**made, 'resume': True, 'load_from': str(tmp_path / 'a' / 'epoch_1.pth')})
    assert runner.iter == 6
    assert 'The mixers are others than those of the checkpoint' in ''.join(capfd.readouterr())
