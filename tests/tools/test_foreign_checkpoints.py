"""No tool and no teacher runs what a checkpoint holds; all of them load the checkpoints of our own runs."""

import os
import re
import runpy
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from PIL import Image

from mmmix.compat import CheckpointError, checked_loading, read_checkpoint
from mmmix.guides import Teacher

pytestmark = pytest.mark.compat

ROOT = Path(__file__).resolve().parents[2]
NETWORK = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=4, stem_channels=4),
)
CONFIG = f"""
_base_ = {str(ROOT / 'configs' / 'quickstart' / 'resnet_digits.py')!r}
model = dict(backbone=dict(stem_channels=4, base_channels=4), head=dict(in_channels=32))
train_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
val_dataloader = dict(batch_size=8, dataset=dict(indices=16, serialize_data=False))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
"""


class Payload:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of our own of one epoch, two images, and what others may have put in the place of its checkpoint."""
    folder = tmp_path_factory.mktemp('run')
    (folder / 'tiny.py').write_text(CONFIG)
    start('train.py', folder, 'tiny.py', '--work-dir', 'own', '--no-validate')
    own = folder / 'own' / 'epoch_1.pth'
    content = read_checkpoint(own)
    for name, protocol in (('foreign', {}), ('foreign_old', dict(_use_new_zipfile_serialization=False))):
        torch.save({**content, 'extra': Payload(folder / 'payload')}, folder / f'{name}.pth', **protocol)
    text = f'import os\nos.mkdir({str(folder / "payload")!r})\n'
    torch.save({**content, 'meta': {**content['meta'], 'config': text, 'cfg': text}}, folder / 'text.pth')
    (folder / 'half.pth').write_bytes(own.read_bytes()[:-2000])
    (folder / 'page.pth').write_text('<html>not found</html>')
    for name in 'ab':
        pixels = np.random.default_rng(0).integers(256, size=(12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f'{name}.png')
    return folder


RUNS = count()


def start(name: str, folder: Path, *arguments: Any) -> None:
    """Run a tool in this process and in a folder."""
    given = list(map(str, arguments))
    if name in ('train.py', 'test.py'):  # MMEngine tells runs apart by the second of their start, or by name
        place = given.index('--cfg-options') + 1 if '--cfg-options' in given else len(given)
        given[place:place] = [
            *([] if '--cfg-options' in given else ['--cfg-options']),
            f'experiment_name=run{next(RUNS)}',
        ]
    before, sys.argv = sys.argv, [name, *given]
    where = Path.cwd()
    try:
        os.chdir(folder)
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
    finally:
        sys.argv = before
        os.chdir(where)


#: How each tool is told of a checkpoint.
TOOLS: dict[str, tuple[str, list[str]]] = {
    'resume': ('train.py', ['tiny.py', '--no-validate', '--work-dir', 'new', '--resume', '{}']),
    'load_from': ('train.py', ['tiny.py', '--no-validate', '--work-dir', 'new', '--cfg-options', 'load_from={}']),
    'pretrained': (
        'train.py',
        [
            *(
                'tiny.py',
                '--no-validate',
                '--work-dir',
                'new',
                '--cfg-options',
                'model.backbone.init_cfg.type=Pretrained',
            ),
            *('model.backbone.init_cfg.checkpoint={}', 'model.backbone.init_cfg.prefix=backbone.'),
        ],
    ),
    'test': ('test.py', ['tiny.py', '{}', '--work-dir', 'tested']),
    'browse_mix': ('browse_mix.py', ['tiny.py', '--checkpoint', '{}', '--rows', '1']),
    'robustness': ('robustness.py', ['tiny.py', '{}', '--tests', 'clean', '--limit', '8', '--output', 'robust']),
    'visualize_cam': ('visualize_cam.py', ['tiny.py', '{}', 'a.png', 'b.png']),
    'hard_samples': ('hard_samples.py', ['{}', '--config', 'tiny.py', '--top', '1', '--output', 'hard']),
}


def call(tool: str, folder: Path, checkpoint: str, *more: str) -> None:
    name, arguments = TOOLS[tool]
    start(name, folder, *(argument.format(checkpoint) for argument in arguments), *more)


@pytest.mark.parametrize(
    ('tool', 'checkpoint'), [*((tool, 'foreign.pth') for tool in TOOLS), ('browse_mix', 'foreign_old.pth')]
)
def test_what_is_foreign_does_not_run(run_dir: Path, tool: str, checkpoint: str) -> None:
    with pytest.raises(SystemExit) as stop:
        call(tool, run_dir, checkpoint)
    line = str(stop.value.code)
    assert re.match(rf"{TOOLS[tool][0]}: error: '.*{checkpoint}' holds `\w+\.mkdir`, .* add --trust-checkpoint", line)
    assert '\n' not in line
    assert not (run_dir / 'payload').exists()


@pytest.mark.parametrize('tool', ['resume', 'browse_mix', 'hard_samples'])
def test_what_is_trusted_loads(run_dir: Path, tool: str) -> None:
    call(tool, run_dir, 'foreign.pth', '--trust-checkpoint')
    assert (run_dir / 'payload').is_dir()
    (run_dir / 'payload').rmdir()


@pytest.mark.parametrize('tool', ['resume', 'hard_samples'])
def test_texts_in_a_checkpoint_are_not_run(run_dir: Path, tool: str) -> None:
    """``Runner.resume`` would run ``meta['config']``, to see how many GPUs there were."""
    call(tool, run_dir, 'text.pth')
    assert not (run_dir / 'payload').exists()


@pytest.mark.parametrize(('tool', 'checkpoint'), [*((tool, 'half.pth') for tool in TOOLS), ('browse_mix', 'page.pth')])
def test_what_is_not_whole_is_one_line(run_dir: Path, tool: str, checkpoint: str) -> None:
    with pytest.raises(SystemExit) as stop:
        call(tool, run_dir, checkpoint)
    line = str(stop.value.code)
    assert re.match(rf"{TOOLS[tool][0]}: error: '.*{checkpoint}' is no whole checkpoint \(.+\): copy it again", line)
    assert '\n' not in line


@pytest.mark.parametrize('tool', [tool for tool in TOOLS if tool != 'visualize_cam'])
def test_our_own_loads(run_dir: Path, tool: str) -> None:
    call(tool, run_dir, 'own/epoch_1.pth')


def test_a_teacher_of_others_does_not_run(run_dir: Path) -> None:
    guide = Teacher(NETWORK, checkpoint=str(run_dir / 'foreign.pth'), size=None)
    with pytest.raises(CheckpointError, match=r'checked_loading\(trust=True\)'):
        guide(torch.rand(1, 3, 16, 16))
    assert not (run_dir / 'payload').exists()
    Teacher(NETWORK, checkpoint=str(run_dir / 'own' / 'epoch_1.pth'), size=None)(torch.rand(1, 3, 16, 16))
    with checked_loading(trust=True):
        guide(torch.rand(1, 3, 16, 16))
    (run_dir / 'payload').rmdir()


def test_addresses_are_checked_too(run_dir: Path, monkeypatch) -> None:
    """What MMEngine downloads it loads by itself, and the maintained one tries again without the check."""

    def load_from_http(filename: str, map_location: Any = None) -> Any:
        path = run_dir / filename.removeprefix('https://x/')
        return torch.hub.load_state_dict_from_url(filename, str(path.parent), map_location, file_name=path.name)

    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    CheckpointLoader.register_scheme('https://', load_from_http, force=True)
    with checked_loading():
        assert 'state_dict' in CheckpointLoader.load_checkpoint('https://x/text.pth')
        with pytest.raises(CheckpointError, match=r"'https://x/foreign\.pth' holds `\w+\.mkdir`"):
            CheckpointLoader.load_checkpoint('https://x/foreign.pth')
    assert not (run_dir / 'payload').exists()


def test_nothing_stays_behind(run_dir: Path, monkeypatch) -> None:
    """Whoever merely imports mmmix loads as ever, and a user's own switch is put back."""
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '0')
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    before = vars(CheckpointLoader)['load_checkpoint']
    with checked_loading():
        assert vars(CheckpointLoader)['load_checkpoint'] is not before
        assert os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] == '1'
        with checked_loading(trust=True):
            assert os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] == '0'
        assert os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] == '1'
    assert vars(CheckpointLoader)['load_checkpoint'] is before
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ
    assert os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] == '0'
    assert 'state_dict' in read_checkpoint(run_dir / 'own' / 'epoch_1.pth')
