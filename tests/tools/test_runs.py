"""Whole runs of the quickstart through the command line: two ranks, killed and resumed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def options(work_dir: Path, epochs: int) -> list[str]:
    """The quickstart, smaller: 256 images, batches of 32, a pool that fills soon."""
    return [
        'tools/train.py',
        'configs/quickstart/resnet_digits.py',
        '--work-dir',
        str(work_dir),
        '--no-validate',
        '--cfg-options',
        f'train_cfg.max_epochs={epochs}',
        'train_dataloader.dataset.indices=250',
        'train_dataloader.batch_size=32',
        'model.train_cfg.augments.partners.min_size=4',
        'default_hooks.dump.type=rank_dump.RankDump',
    ]


def environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "tests"}', 'OMP_NUM_THREADS': '1'}


def run(command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_two_ranks_agree_on_weights_and_table_and_draw_different_mixes(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(('', 0))
        port = probe.getsockname()[1]
    run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--nproc_per_node=2',
            f'--master_port={port}',
            *options(tmp_path, epochs=3),
            '--launcher',
            'pytorch',
        ]
    )
    one, two = load(tmp_path / 'rank0.pt'), load(tmp_path / 'rank1.pt')
    trained = [key for key in one['weights'] if 'running' not in key and 'num_batches' not in key]
    assert trained and all(torch.equal(one['weights'][key], two['weights'][key]) for key in trained)
    assert torch.equal(one['table']['seen'], two['table']['seen'])
    assert torch.equal(one['table']['missed'], two['table']['missed'])
    assert float(one['table']['seen'].sum()) > 0
    assert one['lam'] != two['lam']


def test_killed_and_resumed_ends_like_an_uninterrupted_run(tmp_path: Path) -> None:
    epochs = 6
    with (tmp_path / 'log').open('w') as log:
        process = subprocess.Popen(
            [sys.executable, *options(tmp_path, epochs)], cwd=ROOT, env=environment(), stdout=log, stderr=log
        )
        deadline = time.time() + 300
        while not (tmp_path / 'epoch_3.pth').exists() and time.time() < deadline and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = Path((tmp_path / 'last_checkpoint').read_text())
    saved = torch.load(last, weights_only=False)
    assert saved['meta']['epoch'] < epochs
    assert saved['hard_samples']['seen'].shape == saved['hard_samples']['missed'].shape == (250,)
    assert float(saved['hard_samples']['missed'].sum()) > 0
    assert not (tmp_path / 'rank0.pt').exists(), 'the run ended before it was killed'

    run([sys.executable, *options(tmp_path, epochs), '--resume'])
    resumed = load(tmp_path / 'rank0.pt')
    assert resumed['start_epoch'] == saved['meta']['epoch']
    assert torch.equal(resumed['start']['seen'], saved['hard_samples']['seen'])
    assert torch.equal(resumed['start']['missed'], saved['hard_samples']['missed'])

    whole = tmp_path / 'whole'
    run([sys.executable, *options(whole, epochs)])
    uninterrupted = load(whole / 'rank0.pt')
    assert resumed['epochs'] == uninterrupted['epochs'] == epochs
    assert resumed['lr'] == pytest.approx(uninterrupted['lr'])
    assert len(resumed['lam']) == (epochs - resumed['start_epoch']) * 8
    assert (tmp_path / f'epoch_{epochs}.pth').exists()
    assert_equal_from_the_resume_on(resumed, uninterrupted)


def assert_equal_from_the_resume_on(resumed: dict, whole: dict) -> None:
    """Bit by bit: weights and buffers, the hard-sample table, and the shares that were drawn since."""
    assert resumed['weights'].keys() == whole['weights'].keys()
    assert not [name for name, value in whole['weights'].items() if not torch.equal(value, resumed['weights'][name])]
    for name in ('seen', 'missed'):
        assert torch.equal(resumed['table'][name], whole['table'][name])
    assert 0 < len(resumed['lam']) < len(whole['lam'])
    assert resumed['lam'] == whole['lam'][-len(resumed['lam']) :]


def two_ranks(work_dir: Path, epochs: int) -> list[str]:
    with socket.socket() as probe:
        probe.bind(('', 0))
        port = probe.getsockname()[1]
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={port}']
    # Workers, and a pipeline that draws; one checkpoint is kept.
    more = [
        'train_dataloader.num_workers=1',
        'default_hooks.checkpoint.max_keep_ckpts=1',
        'custom_hooks.0.min_hardness=0.0',
    ]
    return [*launch, *options(work_dir, epochs), *more, '--launcher', 'pytorch']


def test_two_ranks_killed_five_times_at_random_end_like_an_uninterrupted_run(tmp_path: Path) -> None:
    epochs, draw = 20, random.Random(20261124)
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    run(two_ranks(whole, epochs))
    reached = []
    for kill in range(5):
        resume = ['--resume'] if kill else []
        before = checkpoint_of(killed)
        with (tmp_path / f'log{kill}').open('w') as log:
            process = subprocess.Popen(
                [*two_ranks(killed, epochs), *resume],
                cwd=ROOT,
                env=environment(),
                stdout=log,
                stderr=log,
            )
            deadline = time.time() + 200
            while checkpoint_of(killed) == before and time.time() < deadline and process.poll() is None:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 1))
            assert process.poll() is None, (tmp_path / f'log{kill}').read_text()[-3000:]
            for pid in [*descendants(process.pid), process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        reached.append(checkpoint_of(killed))
    assert len(set(reached)) == 5 and not (killed / 'rank0.pt').exists(), reached
    run([*two_ranks(killed, epochs), '--resume'])
    for rank in (0, 1):
        resumed, uninterrupted = load(killed / f'rank{rank}.pt'), load(whole / f'rank{rank}.pt')
        assert uninterrupted['start_epoch'] == 0 < resumed['start_epoch'] < epochs
        assert float(uninterrupted['table']['missed'].sum()) > 0
        assert_equal_from_the_resume_on(resumed, uninterrupted)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs: torchrun puts its ranks into sessions of their own."""
    try:
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    except FileNotFoundError:  # it is gone already
        return []
    return [found for child in children for found in (int(child), *descendants(int(child)))]


def checkpoint_of(work_dir: Path) -> int:
    """The last epoch whose checkpoint was moved to its place."""
    return max((int(path.stem.removeprefix('epoch_')) for path in work_dir.glob('epoch_*.pth')), default=0)
