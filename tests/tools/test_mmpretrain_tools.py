"""mmpretrain's own tools read our runs, as the questions in docs/faq.md say."""

import os
import subprocess
import sys
from pathlib import Path

import mmpretrain
import numpy as np
import pytest
from PIL import Image

from mmmix.commands import main

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(mmpretrain.__path__[0]) / '.mim' / 'tools'


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run one of theirs, with this checkout on the path."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'MPLBACKEND': 'Agg'}
    command = [sys.executable, str(TOOLS / name), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_they_read_a_run_with_all_three_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    base = ROOT / 'configs' / 'quickstart' / 'resnet_few.py'
    Path('few.py').write_text(f'_base_ = {str(base)!r}\nexperiment_name = {os.urandom(4).hex()!r}\n')
    main(['train', 'few.py', '--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=40'])
    (log,) = Path('run').glob('*/vis_data/scalars.json')
    drawn = tool(
        'analysis_tools/analyze_logs.py', 'plot_curve', str(log), '--keys', 'loss', 'mix_acc', '--out', 'a.png'
    )
    assert drawn.returncode == 0 and Path('a.png').stat().st_size > 5000, drawn.stderr
    # Where the page says that it does not, and ours does.
    drawn = tool('analysis_tools/analyze_logs.py', 'plot_curve', str(log), '--keys', 'accuracy/top1', '--out', 'b.png')
    assert drawn.returncode != 0 and 'Invalid key "accuracy/top1"' in drawn.stderr

    steps = "[dict(type='LoadImageFromFile'), dict(type='Resize', scale=16), dict(type='PackInputs')]"
    Path('cam.py').write_text(f"_base_ = 'run/few.py'\ntest_dataloader = dict(dataset=dict(pipeline={steps}))\n")
    Image.fromarray(np.random.default_rng(0).integers(255, size=(32, 32, 3), dtype=np.uint8)).save('image.png')
    options = ['--method', 'gradcam', '--save-path', 'cam.png']
    drawn = tool('visualization/vis_cam.py', 'image.png', 'cam.py', 'run/epoch_40.pth', *options)
    assert drawn.returncode == 0, drawn.stderr
    with Image.open('cam.png') as image:
        assert image.size == (16, 16) and len(np.unique(np.asarray(image))) > 10
