"""The memory of hard samples on two ranks: one table, no sample counted twice, and no hang when a rank dies."""

import subprocess
import time
from pathlib import Path

import pytest
import torch
from ranks import launched

from mmmix.engine.agreement import as_rows, in_one_order

ROOT = Path(__file__).resolve().parents[2]


def start(work_dir: Path, *args: str) -> subprocess.CompletedProcess:
    return launched('hard_runs.py', work_dir, *args)


def test_what_the_ranks_saw_comes_into_one_order() -> None:
    """Iteration by iteration, rank by rank, and within one batch as it was; a rank may have seen nothing."""
    logs = [
        [(0, torch.tensor([5, 6]), torch.tensor([True, False])), (1, torch.tensor([7]), torch.tensor([True]))],
        [(0, torch.tensor([8, 5]), torch.tensor([False, True])), (2, torch.tensor([9]), torch.tensor([False]))],
        [],
    ]
    seen = in_one_order([as_rows(log) for log in logs])
    assert seen.tolist() == [[0, 5, 1], [0, 6, 0], [0, 8, 0], [0, 5, 1], [1, 7, 1], [2, 9, 0]]


def test_tables_agree_and_equal_one_process_over_the_same_predictions(tmp_path: Path) -> None:
    """41 samples on two ranks: one of them is drawn twice an epoch to even out the ranks."""
    done = start(tmp_path, '41')
    assert done.returncode == 0, done.stdout[-3000:]
    one, two = (torch.load(tmp_path / f'rank{rank}.pt', weights_only=True) for rank in (0, 1))
    for epoch in (1, 2, 3):
        for name in ('seen', 'missed'):
            assert torch.equal(one['tables'][epoch][name], two['tables'][epoch][name])

    # One process, one observation at a time: iteration by iteration, rank by rank, the last draw of rank 1 left out.
    seen, missed = [0.0] * 41, [0.0] * 41
    iterations = sorted({iteration for iteration, _, _ in one['seen']})
    assert iterations == list(range(9)), 'three batches of eight hold the 21 samples of a rank'
    mixed = 0
    for iteration in iterations:
        batches = [[row for row in rank['seen'] if row[0] == iteration] for rank in (one, two)]
        if iteration % 3 == 2:
            first = next(i for at, i, _ in one['seen'] if at == iteration - 2)
            assert batches[1][-1][1] == first, 'the sampler begins again to even out the ranks'
            batches[1] = batches[1][:-1]
        for _, i, outcome in batches[0] + batches[1]:
            mixed += outcome < 0
            if outcome >= 0:
                seen[i] = 0.9 * seen[i] + 1
                missed[i] = 0.9 * missed[i] + outcome
        if iteration == 2:
            torch.testing.assert_close(one['tables'][1]['seen'], torch.tensor(seen))
            torch.testing.assert_close(one['tables'][1]['missed'], torch.tensor(missed))
            assert max(seen) == 1, 'the repeated sample is counted once'
        if iteration == 5:
            # The second epoch ends in a scan, which sees each sample once, on one rank or the other.
            torch.testing.assert_close(one['tables'][2]['seen'], 0.9 * torch.tensor(seen) + 1)
    assert 0 < mixed < 3 * 42, 'some batches were mixed and some were not'
    saved = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)['hard_samples']
    assert torch.equal(saved['seen'], one['tables'][3]['seen'])


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_run_with_an_error(tmp_path: Path) -> None:
    began = time.time()
    done = start(tmp_path, '41', 'dies')
    assert done.returncode != 0
    assert 'SIGKILL' in done.stdout or 'Signal 9' in done.stdout
    assert not (tmp_path / 'rank0.pt').exists()
    assert time.time() - began < 120
