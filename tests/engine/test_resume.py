"""A resumed run is the run that was interrupted, bit by bit: weights, hard-sample table, shares, whatever loads."""

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hard_runs import PACK, Spy, config, greys, train
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmmix.engine.random_states import RandomState
from mmmix.engine.seeded_loading import SeededBatches, SeededFetch, SeededIndices

#: Draws from NumPy's and Python's generators, in whoever loads.
FLIPPED = [dict(type='mmpretrain.RandomFlip', prob=0.5), dict(type='mmpretrain.RandomErasing', erase_prob=0.7), *PACK]
SAFE = dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=1))
HOOKS = [dict(type='mmmix.HardSampleHook', min_hardness=0.0), dict(type='mmmix.RandomStateHook')]

#: The generator that transforms draw from.
NUMPY: Any = np.random.mtrand._rand

#: Names and seeds the next run.
NUMBERS = itertools.count(101)


class Shares(Hook):
    """Write down the own share of each step."""

    def __init__(self) -> None:
        self.lam: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.lam.append(float(outputs['lam']))


def settings(
    work_dir: Path, *, workers: int = 0, persistent: bool = False, loop: dict | None = None, **changes: Any
) -> dict:
    """HardMix on 24 images whose pipeline draws; batches of 8."""
    made = config(
        work_dir, greys(24, pipeline=FLIPPED), prob=0.7, **{'custom_hooks': HOOKS, 'default_hooks': SAFE, **changes}
    )
    made['train_dataloader'].update(num_workers=workers, persistent_workers=persistent)
    if loop is not None:
        made['train_cfg'] = loop
    return made


def run(made: dict) -> tuple[Runner, list[float]]:
    """Train from another random state than any run before."""
    number = next(NUMBERS)
    for seed in (torch.manual_seed, NUMPY.seed, random.seed):
        seed(number)
    runner = Runner.from_cfg({'experiment_name': f'resume{number}', **made})
    shares = Shares()
    runner.register_hook(shares)
    runner.train()
    return runner, shares.lam


def assert_resumed_equals(made: dict, other: dict, checkpoint: str) -> tuple[Runner, Runner]:
    """Train, resume from a checkpoint of that run in another work dir, and compare."""
    whole, whole_lam = run(made)
    resumed, lam = run({**other, 'resume': True, 'load_from': str(Path(made['work_dir'], checkpoint))})
    assert 0 < len(lam) < len(whole_lam) and lam == whole_lam[-len(lam) :]
    assert min(whole_lam) < 1 and len(set(whole_lam)) > 2, 'nothing was drawn'
    expected, found = whole.model.state_dict(), resumed.model.state_dict()
    assert not [name for name, value in expected.items() if not torch.equal(value, found[name])]
    table = whole.model.hard_table
    if table is not None:
        assert torch.equal(table.seen, resumed.model.hard_table.seen)
        assert torch.equal(table.missed, resumed.model.hard_table.missed)
        assert table.bound == resumed.model.hard_table.bound
    return whole, resumed


# PyTorch takes ten seconds to part with workers that persist.
@pytest.mark.parametrize(
    ('workers', 'persistent'), [(0, False), (2, False), pytest.param(2, True, marks=pytest.mark.slow)]
)
def test_epochs(tmp_path: Path, workers: int, persistent: bool) -> None:
    whole, resumed = assert_resumed_equals(
        settings(tmp_path / 'a', workers=workers, persistent=persistent),
        settings(tmp_path / 'b', workers=workers, persistent=persistent),
        'epoch_2.pth',
    )
    pool, again = (runner.model.recipe.augments[0].partners for runner in (whole, resumed))
    assert pool.sample_idx.tolist() == again.sample_idx.tolist() and int((pool.sample_idx >= 0).sum()) > 2
    assert torch.equal(pool.images, again.images)


@pytest.mark.compat
@pytest.mark.parametrize('workers', [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize('sampler', ['InfiniteSampler', 'DefaultSampler'])
def test_iterations_in_the_middle_of_a_pass(tmp_path: Path, monkeypatch, sampler: str, workers: int) -> None:
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda seconds: None)  # two seconds a pass
    made = []
    for name in 'ab':
        made.append(
            settings(
                tmp_path / name,
                workers=workers,
                loop=dict(by_epoch=False, max_iters=8),
                default_hooks=dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=5, by_epoch=False)),
            )
        )
        made[-1]['train_dataloader']['sampler'] = dict(type=sampler, shuffle=True)
    assert_resumed_equals(made[0], made[1], 'iter_5.pth')


@pytest.mark.compat
def test_without_a_seed_in_the_config(tmp_path: Path) -> None:
    """The order of the samples then follows from a seed that only the first process had."""
    made = [settings(tmp_path / name, randomness=dict(seed=None)) for name in 'ab']
    for each in made:
        each['train_dataloader']['sampler'] = dict(type='DefaultSampler', shuffle=True)
    assert_resumed_equals(made[0], made[1], 'epoch_1.pth')


@pytest.mark.compat
def test_validation_and_a_renewed_checkpoint_make_no_difference(tmp_path: Path) -> None:
    """A resumed run skips the validation after its checkpoint; that of the best epoch is saved again after it."""
    made = []
    for name in 'ab':
        made.append(settings(tmp_path / name))
        made[-1].update(
            val_dataloader=made[-1]['test_dataloader'],
            val_evaluator=dict(type='Accuracy'),
            val_cfg=dict(),
            default_hooks=dict(checkpoint=dict(type='mmmix.SafeCheckpointHook', interval=1, save_best='auto')),
        )
    assert_resumed_equals(made[0], made[1], 'epoch_1.pth')
    best = list((tmp_path / 'a').glob('best_*.pth'))
    assert len(best) == 1
    assert 'random_state' not in torch.load(best[0], weights_only=False)


def test_history_in_the_stock_classifier(tmp_path: Path) -> None:
    made = []
    for name in 'ab':
        made.append(settings(tmp_path / name, custom_hooks=HOOKS[1:]))
        made[-1]['model'].update(type='ImageClassifier', train_cfg=dict(augments=dict(type='mmmix.RecursiveMix')))
    whole, resumed = (Runner.from_cfg({'experiment_name': f'history{each["work_dir"]}', **each}) for each in made)
    whole.train()
    resumed._resume, resumed._load_from = True, str(tmp_path / 'a' / 'epoch_1.pth')
    torch.manual_seed(77)
    resumed.train()
    expected, found = whole.model.state_dict(), resumed.model.state_dict()
    assert not [name for name, value in expected.items() if not torch.equal(value, found[name])]


def test_checkpoints_hold_tensors_and_plain_types_only(tmp_path: Path) -> None:
    runner, _ = run(settings(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1)))
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['random_state']
    torch.save(saved, tmp_path / 'alone.pth')
    again = torch.load(tmp_path / 'alone.pth', weights_only=True)
    assert again['seed'] == runner.seed and again['sampler_seed'] == 1 and len(again['ranks']) == 1
    assert [name for name, _ in again['ranks'][0]['partners']] == ['HardPool']


def test_another_number_of_ranks_begins_with_states_of_its_own(tmp_path: Path, capfd) -> None:
    run(settings(tmp_path / 'a', train_cfg=dict(by_epoch=True, max_epochs=2)))
    checkpoint = torch.load(tmp_path / 'a' / 'epoch_1.pth', weights_only=False)
    checkpoint['random_state']['ranks'] *= 2
    torch.save(checkpoint, tmp_path / 'two.pth')
    capfd.readouterr()
    resume = dict(resume=True, load_from=str(tmp_path / 'two.pth'))
    _, first = run({**settings(tmp_path / 'b'), **resume})
    assert 'is of 2 ranks and this run has 1' in ''.join(capfd.readouterr())
    _, second = run({**settings(tmp_path / 'c'), **resume})
    assert first == second and len(set(first)) > 1


def test_checkpoints_without_states_say_so(tmp_path: Path, capfd) -> None:
    run(settings(tmp_path / 'a', custom_hooks=HOOKS[:1], train_cfg=dict(by_epoch=True, max_epochs=1)))
    capfd.readouterr()
    run({**settings(tmp_path / 'b'), 'resume': True, 'load_from': str(tmp_path / 'a' / 'epoch_1.pth')})
    assert 'holds no random states' in ''.join(capfd.readouterr())


def test_hook_must_come_before_the_checkpoint(tmp_path: Path) -> None:
    late = [dict(type='mmmix.RandomStateHook', priority='LOWEST')]
    with pytest.raises(ValueError, match='gather the states of all ranks before CheckpointHook saves'):
        train(config(tmp_path, greys(8), custom_hooks=late))


def test_spy_still_sees_each_sample_once_a_pass(tmp_path: Path) -> None:
    """The hooks of the memory and of the random states share the place from which samples are fetched."""
    runner = Runner.from_cfg(
        {'experiment_name': 'spy', **settings(tmp_path, train_cfg=dict(by_epoch=True, max_epochs=1))}
    )
    spy = Spy()
    runner.register_hook(spy)
    runner.train()
    assert sorted(i for _, i, _ in spy.seen) == list(range(24))


def test_states_come_back_from_plain_types() -> None:
    random.gauss(0, 1), NUMPY.standard_normal()  # half of a pair is kept for the next call
    state = RandomState.of(RandomState.now().plain())

    def draws() -> list:
        return [torch.rand(2).tolist(), NUMPY.standard_normal(3).tolist(), random.gauss(0, 1), random.random()]

    expected = draws()
    assert draws() != expected
    state.restore()
    assert draws() == expected


def test_fresh_states_follow_from_their_key_and_move_nothing() -> None:
    torch.manual_seed(5)
    before = RandomState.now()
    states = [RandomState.fresh(*key) for key in ((1, 2, 0), (1, 2, 0), (1, 2, 1))]
    assert torch.equal(RandomState.now().torch, before.torch) and RandomState.now().python == before.python
    assert torch.equal(states[0].torch, states[1].torch) and states[0].python == states[1].python
    assert not torch.equal(states[0].torch, states[2].torch) and states[0].python != states[2].python
    assert not np.array_equal(states[0].numpy[1], states[2].numpy[1])


class Drawing:
    """Three samples that draw from each generator."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> tuple:
        return i, float(torch.rand(())), float(NUMPY.random()), random.random()


def test_draws_of_a_batch_do_not_follow_from_who_loads_it() -> None:
    found = []
    for workers in (0, 1, 2):
        torch.manual_seed(workers)  # workers are seeded from here
        dataset: Any = Drawing()
        dataset.__getitems__ = SeededFetch(dataset)
        batches: Any = SeededBatches([[0, 1], [2, 0], [1, 2]], seed=4)
        loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=list)
        found.append([row for _ in range(2) for batch in loader for row in batch])
    assert found[0] == found[1] == found[2]
    assert all(len({row[k] for row in found[0]}) == 12 for k in (1, 2, 3)), 'no draw is there twice'


def test_draws_of_a_batch_follow_from_its_number() -> None:
    batches = list(SeededBatches([[0, 1], [1, 0], [0, 1]], seed=4))
    assert [batch.key for batch in batches] == [(4, 0, 0), (4, 0, 1), (4, 0, 2)]
    fetch = SeededFetch(Drawing())
    before = RandomState.now()
    first, again = fetch(batches[0]), fetch(batches[0])
    assert first == again != fetch(batches[2]) and [row[0] for row in fetch(batches[1])] == [1, 0]
    assert torch.equal(RandomState.now().torch, before.torch) and RandomState.now().python == before.python
    assert fetch(SeededIndices([0])[:]) != fetch([0]), 'indices without a key are fetched as they are'
