"""Whole runs of the quickstart through the command line: two ranks, killed and resumed."""

import os
import signal
import socket
import subprocess
import sys
import time
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
