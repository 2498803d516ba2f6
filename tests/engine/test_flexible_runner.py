"""MMEngine's FlexibleRunner: its strategies train, save and resume what its Runner does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from flexible_runs import ended, settings, trained
from ranks import launched


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

    going_on = dict(resume=True, load_from=str(tmp_path / 'a' / 'epoch_2.pth'))
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
    done = launched('flexible_runs.py', tmp_path, 'whole')
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
    whole = launched('flexible_runs.py', tmp_path / 'a', 'whole')
    assert whole.returncode == 0, whole.stdout[-3000:]
    killed = launched('flexible_runs.py', tmp_path / 'b', 'dies')
    assert killed.returncode != 0 and not (tmp_path / 'b' / 'rank0.pt').exists()
    resumed = launched('flexible_runs.py', tmp_path / 'b', 'goes on')
    assert resumed.returncode == 0, resumed.stdout[-3000:]
    for expected, found in zip(ranks_of(tmp_path / 'a'), ranks_of(tmp_path / 'b'), strict=True):
        assert found.pop('seen') == expected.pop('seen')[4:], 'the last epoch begins again'
        assert found.pop('wrapper') == expected.pop('wrapper')
        assert not differences(expected, found)
