"""The command ``mmmix``: quick help, bad input in one line before any work, and where OpenMMLab is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmmix.commands import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
TINY = f"""
_base_ = {str(ROOT / 'configs' / 'quickstart' / 'resnet_digits_none.py')!r}
model = dict(backbone=dict(stem_channels=4, base_channels=4), head=dict(in_channels=32))
train_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
val_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a small config and files that stand in for others."""
    monkeypatch.chdir(tmp_path)
    # MMEngine tells runs apart by the second of their start.
    (tmp_path / 'tiny.py').write_text(f'{TINY}experiment_name = {os.urandom(4).hex()!r}\n')
    for name in ('a.png', 'b.png', 'x.pth'):
        (tmp_path / name).write_bytes(b'')
    return tmp_path


def last_line(capsys: pytest.CaptureFixture, *argv: str) -> str:
    """The one line that a command ends with, and nothing was printed before it but the usage."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    captured = capsys.readouterr()
    assert captured.out == ''
    if isinstance(stop.value.code, str):
        assert '\n' not in stop.value.code and captured.err == ''
        return stop.value.code
    assert stop.value.code == 2
    usage, line = captured.err.rstrip().rsplit('\n', 1)
    assert usage.startswith('usage: mmmix')
    return line


def test_help_is_quick_and_imports_nothing() -> None:
    """Of all commands in one process of its own; each takes less than a second of CPU."""
    code = """
import sys, time
from mmmix.commands import COMMANDS, main
for argv in [['--help'], *([name, '--help'] for name in COMMANDS)]:
    start = time.process_time()
    try:
        main(argv)
    except SystemExit as stop:
        assert not stop.code
    assert time.process_time() - start < 1
assert time.process_time() < 1
heavy = {'torch', 'numpy', 'mmengine', 'mmcv', 'mmpretrain', 'matplotlib'} & set(sys.modules)
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''
    assert all(f'usage: mmmix {name} ' in result.stdout for name in COMMANDS)
    assert all(f'\n    {name}' in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ('argv', 'words'),
    [
        ('', 'the following arguments are required: COMMAND'),
        ('trian tiny.py', "invalid choice: 'trian'"),
        ('train', 'required: config'),
        ('train none.py', "mmmix train: error: config 'none.py' does not exist"),
        ('train tiny.py --resume none.pth', "checkpoint 'none.pth' does not exist"),
        ('train tiny.py --cfg-options batch_size', "--cfg-options takes KEY=VALUE, but got 'batch_size'"),
        ('test tiny.py none.pth', "mmmix test: error: checkpoint 'none.pth' does not exist"),
        ('test tiny.py x.pth --interval 0', '0 is not a whole number of at least 1'),
        ('test tiny.py x.pth --out m.txt --out-item metrics', 'let --out end so'),
        ('browse none.py', "config 'none.py' does not exist"),
        ('browse tiny.py --rows 0', 'argument --rows: 0 is not a whole number of at least 1'),
        ('browse tiny.py --checkpoint none.pth', "checkpoint 'none.pth' does not exist"),
        ('hard-samples none', "'none' does not exist: name a work dir or a checkpoint"),
        ('hard-samples . --top 0', 'argument --top: 0 is not'),
        ('robustness tiny.py x.pth --severities 9', 'argument --severities: 9 is not a whole number of at least 1'),
        ('robustness tiny.py x.pth --ratios 1.5', 'argument --ratios: 1.5 is not a number of at least 0 and at most 1'),
        ('robustness tiny.py x.pth --epsilons -1', 'argument --epsilons'),
        ('robustness tiny.py x.pth --limit 0', 'argument --limit: 0 is not'),
        ('robustness tiny.py x.pth --limit many', "'many' is not a whole number"),
        ('robustness tiny.py x.pth --tests fgms', "invalid choice: 'fgms'"),
        ('robustness tiny.py x.pth --cifar-c none', "--cifar-c 'none' is no folder"),
        ('robustness tiny.py x.pth --corruptions nosie', 'there is no corruption nosie: there are '),
        ('cam tiny.py x.pth a.png', 'mixing takes two images'),
        ('cam tiny.py x.pth a.png none.png', "image 'none.png' does not exist"),
        ('cam tiny.py x.pth a.png b.png --share 2', 'argument --share: 2 is not'),
        ('cam tiny.py x.pth a.png b.png --labels 1', '--labels has 1 classes for 2 images'),
        ('cam tiny.py x.pth a.png b.png --names a b', '--names has 2 names for 1 networks'),
        ('summarize none', "'none' is no folder"),
        ('summarize . --last 0', 'argument --last: 0 is not'),
        ('bench --rounds 0', 'argument --rounds: 0 is not'),
        ('bench --shapes huge', '--shapes has no huge: there are '),
        ('bench --methods CutMixx', 'CutMixx'),
        ('localize tiny.py none.pth', "mmmix localize: error: checkpoint 'none.pth' does not exist"),
        ('localize tiny.py x.pth --iou 2', 'argument --iou: 2 is not'),
        ('localize tiny.py x.pth --guide Cam', 'there is no guide Cam: there are Attention'),
        ('export x.pth', 'the following arguments are required: --to'),
        ('export x.pth --to keras', "argument --to: invalid choice: 'keras'"),
        ('export none.pth --to timm', "mmmix export: error: checkpoint 'none.pth' does not exist"),
        ('export x.pth --to timm --output x.json', 'let the weights end in .pth'),
        ('doctor now', 'unrecognized arguments: now'),
    ],
)
def test_bad_input_is_one_line(argv: str, words: str, here: Path, capsys: pytest.CaptureFixture) -> None:
    assert words in last_line(capsys, *argv.split())


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        ("model = dict(backbone=dict(type='ResNett'))", 'ResNett is not in the'),
        ("model = dict(head=dict(type='mmmix.SumixHead'))", 'did you mean mmmix.SUMixHead'),
        ("custom_hooks = [dict(type='mmmix.HardSampelHook')]", 'did you mean mmmix.HardSampleHook?'),
        ("train_dataloader = dict(dataset=dict(type='Digitz'))", 'Digitz is not in the'),
        ('model = dict(backbone=dict(depht=18))', 'depht'),
        ('model = dict(', "config 'typo.py': '(' was never closed"),
        ("_base_ = 'none.py'", "config 'typo.py': "),
    ],
)
def test_a_mistake_in_a_config_is_one_line(lines: str, words: str, here: Path, capsys: pytest.CaptureFixture) -> None:
    text = lines if '_base_' in lines else f"_base_ = './tiny.py'\n{lines}\n"
    (here / 'typo.py').write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(['train', 'typo.py'])
    line = str(stop.value.code)
    assert words in line and '\n' not in line and line.startswith('mmmix train: error: ')


def test_a_dict_over_a_list_of_augments_names_the_list(here: Path) -> None:
    (here / 'typo.py').write_text(
        "_base_ = 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py'\n"
        "model = dict(train_cfg=dict(augments=dict(type='mmmix.CutMix')))\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(['train', 'typo.py'])
    assert "write `augments=[dict(type='mmmix....')]`" in str(stop.value.code)


@pytest.mark.parametrize('command', ['test', 'robustness'])
def test_half_a_checkpoint_is_one_line(command: str, here: Path) -> None:
    torch.save(dict(state_dict={'x': torch.rand(1000)}, meta={}), here / 'whole.pth')
    (here / 'half.pth').write_bytes((here / 'whole.pth').read_bytes()[:2000])
    with pytest.raises(SystemExit) as stop:
        main([command, 'tiny.py', 'half.pth'])
    line = str(stop.value.code)
    assert line.startswith(f'mmmix {command}: error: ') and 'is no whole checkpoint' in line and '\n' not in line


def test_without_openmmlab() -> None:
    """Neither PyTorch nor OpenMMLab is there: the doctor says so, and training names the command to run."""
    start = f'import sys; sys.path.insert(0, {str(ROOT)!r}); from mmmix.commands import main; '

    def run(*argv: str) -> subprocess.CompletedProcess:
        code = f'{start}main({list(argv)!r})'
        return subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=False)

    doctor = run('doctor')
    assert doctor.returncode == 1 and doctor.stderr == ''
    assert 'PyTorch is missing: pip install torch' in doctor.stdout
    assert 'pip install "mmmix[onedl]"' in doctor.stdout
    train = run('train', str(ROOT / 'configs' / 'quickstart' / 'resnet_digits.py'))
    assert train.returncode == 1
    (line,) = train.stderr.splitlines()
    assert 'pip install "mmmix[onedl]"' in line and line.endswith('`mmmix doctor` says more.')


def test_python_m_mmmix() -> None:
    result = subprocess.run(
        [sys.executable, '-m', 'mmmix', '--version'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith('mmmix ') and result.stderr == ''


def test_robustness_looks_at_so_many_images(here: Path, capsys: pytest.CaptureFixture) -> None:
    main(['train', 'tiny.py', '--no-validate'])
    capsys.readouterr()
    argv = ['work_dirs/tiny/epoch_1.pth', '--tests', 'clean', 'occlusion', '--ratios', '0.5', '--limit', '5']
    main(['robustness', 'tiny.py', *argv])
    captured = capsys.readouterr()
    rows = [line for line in captured.out.splitlines() if line.startswith(('| clean', '| occlusion'))]
    assert len(rows) == 2 and all(row.endswith('| 5 |') for row in rows)
    assert 'Test 1 of 2, about ' in captured.err and 'Test 2 of 2, about 0:00 left' in captured.err
    assert (here / 'work_dirs/tiny/robustness/robustness.json').is_file()
    main(['browse', 'tiny.py', '--all', '--rows', '1'])
    assert (here / 'work_dirs/tiny/mixed_batch.png').is_file()
