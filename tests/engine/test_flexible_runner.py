"""MMEngine's FlexibleRunner: its strategies train, save and resume what its Runner does."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from flexible_runs import ended, settings, trained
from ranks import free_port, launched

from mmmix.compat import read_checkpoint
from mmmix.engine import HardSampleHook
from mmmix.engine.hooks.model_of import model_of
from mmmix.engine.hooks.saving import warn_if_not_saved


def differences(first: dict, second: dict) -> list[str]:
    """Where two dicts of dicts of tensors differ."""
    assert first.keys() == second.keys()
    return [
        f'{room}.{name}'
        for room in first
        for name, value in first[room].items()
        if not torch.equal(value, second[room][name])
    ]


def test_one_process_trains_what_runner_trains_and_resumes(tmp_path: Path) -> None:
    """All three systems, bit by bit: weights, memory, pool and shares."""
    whole, seen = trained(settings(tmp_path / 'a', 'SingleDeviceStrategy'))
    assert type(whole).__name__ == 'FlexibleRunner' and len(seen) == 9 and min(lam for lam, _ in seen) < 1
    assert sorted(path.name for path in (tmp_path / 'a').glob('*epoch*')) == ['epoch_2.pth', 'epoch_3.pth']
    assert int((ended(whole)['pool']['sample_idx'] >= 0).sum()) > 2, 'the pool holds somebody'

    going_on: dict[str, Any] = dict(resume=True, load_from=str(tmp_path / 'a' / 'epoch_2.pth'))
    resumed, again = trained(settings(tmp_path / 'b', 'SingleDeviceStrategy', **going_on))
    assert again == seen[6:]
    assert not differences(ended(whole), ended(resumed))

    made = settings(tmp_path / 'c', 'none')
    plain, same = trained({name: value for name, value in made.items() if name not in ('runner_type', 'strategy')})
    assert type(plain).__name__ == 'Runner'
    assert same == seen
    assert not differences(ended(whole), ended(plain))


def ranks_of(work_dir: Path) -> list[dict[str, Any]]:
    return [torch.load(work_dir / f'rank{rank}.pt', weights_only=True) for rank in (0, 1)]


def test_two_ranks_agree_on_weights_and_memory(tmp_path: Path) -> None:
    done = launched('flexible_runs.py', tmp_path, 'ddp', 'whole')
    assert done.returncode == 0, done.stdout[-3000:]
    one, two = ranks_of(tmp_path)
    assert one['wrapper'] == 'MMDistributedDataParallel'
    for room in ('table', 'model'):
        learned = [name for name in one[room] if 'running' not in name]  # batch norms are each rank's own
        assert not [name for name in learned if not torch.equal(one[room][name], two[room][name])]
    assert float(one['table']['seen'].sum()) > 25
    assert [lam for lam, _ in one['seen']] != [lam for lam, _ in two['seen']], 'ranks draw different mixes'


@pytest.mark.slow
def test_a_run_whose_rank_was_killed_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    whole = launched('flexible_runs.py', tmp_path / 'a', 'ddp', 'whole')
    assert whole.returncode == 0, whole.stdout[-3000:]
    killed = launched('flexible_runs.py', tmp_path / 'b', 'ddp', 'dies')
    assert killed.returncode != 0 and not (tmp_path / 'b' / 'rank0.pt').exists()
    resumed = launched('flexible_runs.py', tmp_path / 'b', 'ddp', 'goes on')
    assert resumed.returncode == 0, resumed.stdout[-3000:]
    for expected, found in zip(ranks_of(tmp_path / 'a'), ranks_of(tmp_path / 'b'), strict=True):
        assert found.pop('seen') == expected.pop('seen')[4:], 'the last epoch begins again'
        assert found.pop('wrapper') == expected.pop('wrapper')
        assert not differences(expected, found)


@pytest.mark.slow
def test_fsdp_trains_and_saves_what_ddp_does(tmp_path: Path) -> None:
    """All three systems on parameters that MMEngine's FSDPStrategy cuts into parts; its checkpoint is a plain one."""
    for strategy in ('ddp', 'fsdp'):
        done = launched('flexible_runs.py', tmp_path / strategy, strategy, 'whole')
        assert done.returncode == 0, done.stdout[-3000:]
    for one, two in zip(ranks_of(tmp_path / 'ddp'), ranks_of(tmp_path / 'fsdp'), strict=True):
        assert two['wrapper'] == 'MMFullyShardedDataParallel'
        for expected, found in zip(one['seen'], two['seen'], strict=True):
            assert found == pytest.approx(expected, abs=1e-5)
        assert all(torch.equal(value, two['table'][name]) for name, value in one['table'].items())
    saved, expected = (read_checkpoint(tmp_path / each / 'epoch_3.pth', trust=True) for each in ('fsdp', 'ddp'))
    assert len(saved['random_state']['ranks']) == 2 and None not in saved['random_state']['ranks']
    assert float(saved['hard_samples']['seen'].sum()) > 25
    assert saved['state_dict'].keys() == {name.removeprefix('module.') for name in expected['state_dict']}
    for name, value in expected['state_dict'].items():
        torch.testing.assert_close(saved['state_dict'][name.removeprefix('module.')], value, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_fsdp_saves_the_part_of_each_rank(tmp_path: Path) -> None:
    done = launched('flexible_runs.py', tmp_path, 'parts', 'whole')
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_3.pth')
    assert not list(tmp_path.glob('.*writing'))
    parts = [rank['saved'] for rank in ranks_of(tmp_path)]
    states = [part['random_state']['ranks'] for part in parts]
    assert [state is None for state in states[0]] == [False, False], 'the first rank has those of all'
    assert [state is None for state in states[1]] == [True, False], 'the other one has its own'
    assert torch.equal(states[0][1]['generators']['torch'], states[1][1]['generators']['torch'])
    assert all(torch.equal(value, parts[1]['hard_samples'][name]) for name, value in parts[0]['hard_samples'].items())


def test_a_resume_that_mmengine_cannot_do_is_refused(tmp_path: Path) -> None:
    made = settings(tmp_path, dict(type='FSDPStrategy'), resume=True, load_from='epoch_2.pth')
    with pytest.raises(SystemExit, match='FSDPStrategy cannot load the state of an optimizer') as refused:
        trained(made)
    assert '\n' not in str(refused.value)


def test_what_deepspeed_does_not_save_is_said() -> None:
    """Its strategy has no place for hooks; a class of its name stands for it, since it is not installed."""
    strategy = type('Ours', (type('DeepSpeedStrategy', (), {}),), {})()
    lines: list[str] = []
    logger = SimpleNamespace(warning=lines.append)
    warn_if_not_saved(HardSampleHook(), SimpleNamespace(strategy=strategy, logger=logger), 'hard-sample table')
    warn_if_not_saved(HardSampleHook(), SimpleNamespace(strategy=object(), logger=logger), 'hard-sample table')
    warn_if_not_saved(HardSampleHook(), SimpleNamespace(logger=logger), 'hard-sample table')
    (line,) = lines
    assert 'HardSampleHook saves no hard-sample table' in line and 'DeepSpeedStrategy' in line


#: Strategies of a GPU, and where each keeps what it saved.
ON_GPU = [
    pytest.param(dict(type='FSDPStrategy', state_dict_cfg='full'), 'epoch_3.pth', id='fsdp, one file'),
    pytest.param(dict(type='FSDPStrategy', state_dict_cfg='local'), 'epoch_3.pth/rank0.pth', id='fsdp, parts'),
    pytest.param(
        dict(type='DeepSpeedStrategy', zero_optimization=dict(stage=2)),
        'epoch_3.pth/mp_rank_00_model_states.pt',
        id='deepspeed',
    ),
]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize(('strategy', 'saved'), ON_GPU)
def test_strategies_of_a_gpu_train_all_three_systems(tmp_path: Path, monkeypatch, strategy: dict, saved: str) -> None:
    """One rank, so that one GPU is enough; a loss is the one of an unsharded run."""
    changes: dict[str, Any] = {}
    if strategy['type'] == 'DeepSpeedStrategy':
        pytest.importorskip('deepspeed')
        changes['optim_wrapper'] = dict(type='DeepSpeedOptimWrapper', optimizer=dict(type='SGD', lr=0.05))
    _, expected = trained(settings(tmp_path / 'plain', 'SingleDeviceStrategy'))
    for name, value in dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1').items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('MASTER_PORT', free_port())
    changes['env_cfg'] = dict(dist_cfg=dict(backend='nccl'))
    runner, seen = trained(settings(tmp_path / 'sharded', strategy, launcher='pytorch', **changes))
    try:
        assert len(seen) == len(expected) == 9
        assert seen[0] == pytest.approx(expected[0], rel=1e-3)
        assert (tmp_path / 'sharded' / saved).is_file()
        assert float(model_of(runner, 'a test').hard_table.seen.sum()) > 24
    finally:
        torch.distributed.destroy_process_group()
