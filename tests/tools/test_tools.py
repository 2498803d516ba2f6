"""The command line tools, run as users run them, on a network and a data set made tiny."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from mmmix import cli
from mmmix.engine.optim_wrapper import AutocastOptimWrapper
from mmmix.engine.switches import use_resumable_runs

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'

TINY = f"""
_base_ = {str(ROOT / 'configs' / 'quickstart' / 'resnet_digits_none.py')!r}
model = dict(backbone=dict(stem_channels=4, base_channels=4), head=dict(in_channels=32))
train_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
val_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
"""


class Clock:
    """The module ``time`` for MMEngine's runner, which tells runs apart by the second of their start: none is twice."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        self.seconds += 1
        return self.seconds


CLOCK = Clock()


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    """A config that trains for one epoch of two iterations, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'tiny.py'
    path.write_text(TINY)
    return path


@pytest.fixture
def tool(monkeypatch, config):
    """Run a tool in this process: ``tool('train.py', 'tiny.py')``."""
    monkeypatch.setattr('mmengine.runner.runner.time', CLOCK)

    def run(name: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        runpy.run_path(str(TOOLS / name), run_name='__main__')

    return run


def log_of(work_dir: Path) -> str:
    """The log of the latest run in a work dir."""
    return max(work_dir.glob('*/*.log')).read_text()


def test_train_resume_and_test(tool, tmp_path):
    tool('train.py', 'tiny.py')
    work_dir = tmp_path / 'work_dirs' / 'tiny'
    assert (work_dir / 'last_checkpoint').read_text().endswith('epoch_1.pth')
    assert 'accuracy/top1' in log_of(work_dir)

    tool('train.py', 'tiny.py', '--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    assert 'resumed epoch: 1, iter: 2' in log_of(work_dir)
    assert 'Epoch(train) [1]' not in log_of(work_dir)
    assert torch.load(work_dir / 'epoch_2.pth', weights_only=False)['meta']['iter'] == 4

    checkpoint = work_dir / 'epoch_2.pth'
    tool('test.py', 'tiny.py', checkpoint, '--out', 'metrics.json', '--out-item', 'metrics')
    tested = json.loads((tmp_path / 'metrics.json').read_text())['accuracy/top1']
    assert f'accuracy/top1: {tested:.4f}' in log_of(work_dir)

    tool('test.py', 'tiny.py', checkpoint, '--tta', '--amp', '--out', 'predictions.pkl', '--work-dir', 'tta')
    assert (tmp_path / 'predictions.pkl').stat().st_size > 0
    tool('test.py', 'tiny.py', checkpoint, '--show-dir', 'shown', '--interval', '8', '--work-dir', 'shown')
    assert len(list((tmp_path / 'shown').rglob('*.png'))) == 2

    tool('plot_curves.py', work_dir)
    assert (work_dir / 'curves.png').stat().st_size > 0


def test_resume_from_a_named_checkpoint_in_a_new_place(tool, tmp_path):
    tool('train.py', 'tiny.py', '--work-dir', 'first', '--no-validate')
    assert 'accuracy/top1' not in log_of(tmp_path / 'first')
    checkpoint = tmp_path / 'first' / 'epoch_1.pth'
    options = ['--cfg-options', 'train_cfg.max_epochs=2']
    tool('train.py', 'tiny.py', '--work-dir', 'second', '--resume', checkpoint, *options)
    assert 'resumed epoch: 1, iter: 2' in log_of(tmp_path / 'second')
    assert not (tmp_path / 'second' / 'epoch_1.pth').exists()


def test_amp_and_scaled_learning_rate(tool, tmp_path):
    tool('train.py', 'tiny.py', '--amp', '--auto-scale-lr', '--work-dir', 'amp')
    ran = Config.fromfile(tmp_path / 'amp' / 'tiny.py')
    expected = 'AmpOptimWrapper' if torch.cuda.is_available() else 'mmmix.AutocastOptimWrapper'
    assert ran.optim_wrapper.type == expected
    assert 'Scaling the original LR by 0.125.' in log_of(tmp_path / 'amp')


def test_autocast_wrapper_computes_in_bfloat16_and_updates_in_float32():
    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    wrapper = AutocastOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with wrapper.optim_context(model):
        output = model(torch.ones(3, 2))
    assert output.dtype is torch.bfloat16
    wrapper.update_params(output.float().mean())
    assert model.weight.dtype is torch.float32
    assert torch.allclose(model.weight, before - 0.1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['train.py', 'none.py'], r"train\.py: error: config 'none\.py' does not exist"),
        (['train.py', 'tiny.py', '--resume', 'none.pth'], r"train\.py: error: checkpoint 'none\.pth' does not exist"),
        (
            ['train.py', 'tiny.py', '--auto-scale-lr', '--cfg-options', 'auto_scale_lr=None'],
            r'train\.py: error: --auto-scale-lr needs .* add `auto_scale_lr = dict\(base_batch_size=\.\.\.\)`',
        ),
        (
            ['train.py', 'tiny.py', '--amp', '--cfg-options', 'optim_wrapper.type=Other'],
            r"train\.py: error: --amp cannot replace the optimizer wrapper 'Other'",
        ),
        (['test.py', 'tiny.py', 'none.pth'], r"test\.py: error: checkpoint 'none\.pth' does not exist"),
        (['test.py', 'tiny.py', 'x', '--out-item', 'pred'], r'test\.py: error: .* add --out FILE'),
        (['test.py', 'tiny.py', 'x', '--out', 'x.json'], r'test\.py: error: .* end in \.pkl'),
        (['test.py', 'tiny.py', 'x', '--tta', '--show'], r'test\.py: error: MMPretrain cannot draw'),
        (
            ['test.py', 'tiny.py', 'tiny.py', '--show', '--cfg-options', 'default_hooks.visualization=None'],
            r'test\.py: error: .* add `default_hooks = dict\(visualization=',
        ),
        (['plot_curves.py', 'none'], r"plot_curves\.py: error: 'none' has no logs"),
    ],
)
def test_bad_input_is_one_line_that_names_the_fix(tool, arguments, message):
    with pytest.raises(SystemExit) as stop:
        tool(*arguments)
    line = str(stop.value.code)
    assert re.match(message, line)
    assert '\n' not in line


def test_errors_end_the_process(config):
    command = [sys.executable, str(TOOLS / 'train.py'), 'none.py']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "train.py: error: config 'none.py' does not exist"


@pytest.mark.parametrize(
    ('loader', 'flags', 'expected'),
    [
        (dict(num_workers=0), {}, False),
        (dict(num_workers=0, persistent_workers=True), {}, False),
        (dict(num_workers=2), {}, True),
        (dict(num_workers=2, persistent_workers=False), {}, False),
        (dict(num_workers=2), dict(persistent_workers=False), False),
    ],
)
def test_workers_persist_only_where_there_are_some(loader, flags, expected):
    config = Config(dict(loader=loader))
    cli.set_up_loaders(config, 'loader', 'missing', **{'pin_memory': True, 'persistent_workers': True, **flags})
    assert config.loader.persistent_workers is expected
    assert config.loader.pin_memory is torch.cuda.is_available()
    assert config.loader.collate_fn == dict(type='default_collate')
    assert 'missing' not in config


def test_resume_after_a_kill_takes_the_newest_whole_checkpoint(tool, tmp_path, capsys):
    tool('train.py', 'tiny.py', '--no-validate', '--work-dir', 'run')
    run = tmp_path / 'run'
    (run / 'epoch_2.pth').write_bytes((run / 'epoch_1.pth').read_bytes()[:-1000])
    (run / 'last_checkpoint').write_text('')
    capsys.readouterr()
    options = ['--no-validate', '--work-dir', 'run', '--resume', '--cfg-options', 'train_cfg.max_epochs=2']
    tool('train.py', 'tiny.py', *options)
    lines = capsys.readouterr().out
    assert re.search(r"Skipped: '.*epoch_2\.pth' is no whole checkpoint", lines)
    assert re.search(r'Going on from .*epoch_1\.pth, the newest whole checkpoint\.', lines)
    assert 'resumed epoch: 1, iter: 2' in log_of(run)
    assert torch.load(run / 'epoch_2.pth', weights_only=False)['meta']['iter'] == 4

    (run / 'last_checkpoint').write_text('/gone/epoch_7.pth')
    assert cli.last_checkpoint(str(run)) == str(run / 'epoch_2.pth')
    assert '`last_checkpoint` names /gone/epoch_7.pth, which is missing.' in capsys.readouterr().out


def test_runs_of_the_tool_can_be_resumed(config):
    """The hooks come in by themselves, once, and what the config says of its own ones stays."""
    loaded = cli.read_config('tiny.py')
    loaded.default_hooks.checkpoint.max_keep_ckpts = 3
    loaded.custom_hooks = [dict(type='CheckpointHook', interval=5), dict(type='mmmix.RandomStateHook', partners=False)]
    for _ in range(2):
        use_resumable_runs(loaded)
        assert loaded.default_hooks.checkpoint.type == 'mmmix.SafeCheckpointHook'
        assert loaded.default_hooks.checkpoint.max_keep_ckpts == 3
        assert loaded.custom_hooks == [
            dict(type='mmmix.SafeCheckpointHook', interval=5),
            dict(type='mmmix.RandomStateHook', partners=False),
        ]
    bare = Config(dict(default_hooks=dict(checkpoint=None)))
    use_resumable_runs(bare)
    assert bare.default_hooks.checkpoint is None and bare.custom_hooks == [dict(type='mmmix.RandomStateHook')]
    other = Config(dict(default_hooks=dict(checkpoint=dict(type='mine.Hook'))))
    use_resumable_runs(other)
    assert other.default_hooks.checkpoint.type == 'mine.Hook'


def test_resume_without_a_checkpoint_starts_from_the_beginning(tool, tmp_path, capsys):
    tool('train.py', 'tiny.py', '--resume', '--work-dir', 'new')
    assert 'new has no checkpoint: training starts from the beginning.' in capsys.readouterr().out
    assert (tmp_path / 'new' / 'epoch_1.pth').exists()


@pytest.mark.parametrize('script', ['dist_run.sh', 'dist_test.sh', 'dist_train.sh', 'slurm_train.sh'])
def test_scripts_say_how_to_use_them(script):
    result = subprocess.run(['bash', str(TOOLS / script)], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith('usage: ')


def test_slurm_script_quotes_its_arguments(config, tmp_path):
    """A stand-in for srun prints what it was asked to run."""
    srun = tmp_path / 'srun'
    srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    search = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    environment = {**os.environ, 'PATH': search, 'GPUS': '4', 'SRUN_ARGS': '-A me', 'PYTHON': 'python'}
    command = ['bash', str(TOOLS / 'slurm_train.sh'), 'gpu', 'my job', 'tiny.py', 'a dir', '--amp']
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        *['--partition=gpu', '--job-name=my job', '--gres=gpu:4', '--ntasks=4', '--ntasks-per-node=4'],
        *['--cpus-per-task=5', '--kill-on-bad-exit=1', '-A', 'me', 'python', '-u', str(TOOLS / 'train.py')],
        *['tiny.py', '--work-dir', 'a dir', '--launcher', 'slurm', '--amp'],
    ]


@pytest.mark.slow
def test_two_ranks_train_and_test_without_a_gpu(config, tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    environment = {**os.environ, 'PYTHON': sys.executable, 'PORT': port, 'CUDA_VISIBLE_DEVICES': ''}

    def run(script: str, *arguments: str) -> str:
        command = ['bash', str(TOOLS / script), 'tiny.py', *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    log = run('dist_train.sh', '2', '--work-dir', 'two')
    assert 'Distributed training: True' in log
    assert re.search(r'Epoch\(train\) +\[1\]\[1/1\]', log)  # the two batches of an epoch, one for each rank
    assert 'accuracy/top1' in run('dist_test.sh', 'two/epoch_1.pth', '2', '--work-dir', 'two')
