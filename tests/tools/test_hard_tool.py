"""tools/hard_samples.py on small runs: the table, the pictures, and errors that say what to do."""

import csv
import runpy
import sys
from pathlib import Path

import pytest
import torch
from hard_runs import PACK, config, greys, hook_of, train
from mmpretrain.registry import DATASETS
from PIL import Image

from mmmix.evaluation.hard_samples import hardest_images

TOOL = str(Path(__file__).resolve().parents[2] / 'tools/hard_samples.py')


def run(monkeypatch: pytest.MonkeyPatch, *args: str | Path) -> None:
    monkeypatch.setattr(sys, 'argv', ['hard_samples.py', *map(str, args)])
    runpy.run_path(TOOL, run_name='__main__')


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 24 samples, half of them with wrong labels, each twice."""
    path = tmp_path_factory.mktemp('run')
    spoilt = dict(type='mmmix.CorruptedLabels', dataset=greys(24, pipeline=PACK), fraction=0.5, flip=True)
    runner, _ = train(config(path, dict(type='RepeatDataset', dataset=spoilt, times=2)))
    torch.save(hook_of(runner).table.state_dict(), path / 'table.pt')
    return path


def test_the_table_hardest_first_with_the_true_label(work_dir: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    run(monkeypatch, work_dir, '--output', tmp_path, '--top', '10')
    assert '48 of 48 samples seen' in capsys.readouterr().out
    with (tmp_path / 'hard_samples.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['index', 'path', 'label', 'seen', 'missed', 'hardness', 'true_label']
    assert sorted(int(row['index']) for row in rows) == list(range(48))
    hardness = [float(row['hardness']) for row in rows]
    assert hardness == sorted(hardness, reverse=True)
    table = torch.load(work_dir / 'table.pt')
    for row in rows:
        i = int(row['index'])
        assert float(row['seen']) == pytest.approx(float(table['seen'][i]), abs=1e-4)
        assert float(row['hardness']) == pytest.approx(float(table['missed'][i] / table['seen'][i]), abs=1e-4)
    assert sum(row['label'] != row['true_label'] for row in rows) == 24
    for name in ('hardest.png', 'histogram.png'):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 100 and len(image.convert('L').getcolors(1 << 20) or ()) > 10


def test_copies_of_an_image_are_shown_once() -> None:
    twice = DATASETS.build(dict(type='RepeatDataset', dataset=greys(6), times=2))
    rows = [{'label': twice.get_data_info(i)['gt_label']} for i in range(12)]
    hardness = torch.linspace(0, 1, 12)
    indices, samples = hardest_images(twice, rows, hardness, 10)
    assert indices == [11, 10, 9, 8, 7, 6] and len(samples) == 6
    assert hardest_images(twice, rows, hardness, 2)[0] == [11, 10]


def test_errors_name_the_fix(work_dir: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SystemExit, match='neither a checkpoint nor a work dir'):
        run(monkeypatch, tmp_path)
    checkpoint = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    checkpoint['hard_samples'] = {name: value[:40] for name, value in checkpoint['hard_samples'].items()}
    torch.save(checkpoint, tmp_path / 'short.pth')
    with pytest.raises(SystemExit, match=r'40 rows but the training set 48 samples'):
        run(monkeypatch, tmp_path / 'short.pth')
    del checkpoint['hard_samples']
    torch.save(checkpoint, tmp_path / 'none.pth')
    with pytest.raises(SystemExit, match=r'mmmix\.HardSampleHook'):
        run(monkeypatch, tmp_path / 'none.pth')
