"""tools/hard_samples.py on small runs: the table, the pictures, and errors that say what to do."""

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hard_runs import PACK, config, greys, hook_of, train
from mmpretrain.registry import DATASETS
from PIL import Image

from mmmix import console
from mmmix.evaluation.hard_samples import annotations, class_number, hardest_first, hardest_images
from mmmix.visualization import sheet

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
    assert list(rows[0]) == ['index', 'sample', 'label', 'prediction', 'seen', 'missed', 'hardness', 'true_label']
    # Both copies of a sample that has no file are called by its place in the data set inside.
    assert all(row['sample'] == f'CorruptedLabels[{int(row["index"]) % 24}]' for row in rows)
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


def written(folder: Path) -> list[dict]:
    with (folder / 'hard_samples.csv').open() as file:
        return list(csv.DictReader(file))


def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is said at every step, however quick."""
    made = console.Progress.__init__
    monkeypatch.setattr(console.Progress, '__init__', lambda *args, **kwargs: made(*args, **{**kwargs, 'every': 0}))


def assert_progress(said: str, what: str, steps: int, left: str = 'about') -> None:
    """A line for each step, from the first to the last."""
    lines = [line for line in said.splitlines() if line.startswith(what)]
    assert [line.split(',')[0] for line in lines] == [f'{what} {i + 1} of {steps}' for i in range(steps)]
    assert all(f', {left} 0:' in line for line in lines)


class Shown:
    """What the contact sheet shows: the images' titles, and which are marked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.titles: list[str] = []
        self.marked: list[bool] = []
        monkeypatch.setattr(sheet, 'draw_sheet', self)

    def __call__(self, images: list, titles: list[str], path: Path, marked: list[bool]) -> None:
        assert len(images) == len(titles) == len(marked)
        self.titles, self.marked = titles, marked


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    return Shown(monkeypatch)


def test_predictions_are_written_for_all_samples_or_for_those_looked_at(
    work_dir: Path, tmp_path: Path, monkeypatch, shown: Shown, capsys
) -> None:
    always(monkeypatch)
    run(monkeypatch, work_dir, '--output', tmp_path, '--top', '2')
    assert_progress(capsys.readouterr().err, 'Image', 2)
    some = {row['index']: row['prediction'] for row in written(tmp_path) if row['prediction']}
    assert 2 <= len(some) < 48
    run(monkeypatch, work_dir, '--output', tmp_path, '--top', '2', '--predict-all')
    every = {row['index']: row['prediction'] for row in written(tmp_path)}
    assert_progress(capsys.readouterr().err, 'Prediction', 48 - len(some))
    assert len(every) == 48 and all(said.isdecimal() for said in every.values())
    assert {i: every[i] for i in some} == some


def test_the_sheet_filters_and_marks_label_against_prediction(
    work_dir: Path, tmp_path: Path, monkeypatch, shown: Shown, capsys
) -> None:
    run(monkeypatch, work_dir, '--output', tmp_path, '--predict-all')
    rows = written(tmp_path)
    differ = {row['index']: row['label'] != row['prediction'] for row in rows}
    numbers = [title[1 : title.index(',')] for title in shown.titles]
    assert shown.marked == [differ[i] for i in numbers] and {*shown.marked} == {True, False}
    always(monkeypatch)
    for only, expected in (('contradicted', True), ('confirmed', False)):
        capsys.readouterr()
        run(monkeypatch, work_dir, '--output', tmp_path, '--only', only)
        assert_progress(capsys.readouterr().err, 'Sample', 48, left='at most')
        kept = [title[1 : title.index(',')] for title in shown.titles]
        assert {*shown.marked} == {expected}
        assert kept == [i for i, mark in zip(numbers, map(differ.get, numbers), strict=True) if mark is expected]
    for option, column in (('--label', 'label'), ('--prediction', 'prediction')):
        wanted = rows[0][column]
        run(monkeypatch, work_dir, '--output', tmp_path, option, wanted)
        kept = [title[1 : title.index(',')] for title in shown.titles]
        of = {row['index']: row[column] for row in rows}
        assert kept == [i for i in numbers if of[i] == wanted] and kept
    with pytest.raises(SystemExit, match="there is no class 'cat': give its number"):
        run(monkeypatch, work_dir, '--label', 'cat')


def test_a_title_is_red_where_it_is_marked(tmp_path: Path) -> None:
    images = [np.zeros((8, 8, 3), np.uint8)] * 2
    for marked in ([False, False], [True, False]):
        sheet.draw_sheet(images, ['one', 'two'], tmp_path / 'sheet.png', marked)
        pixels = np.asarray(Image.open(tmp_path / 'sheet.png').convert('RGB')).astype(int)
        assert bool((pixels[..., 0] - pixels[..., 1] > 200).any()) == any(marked)


def test_copies_of_an_image_are_shown_once() -> None:
    twice = DATASETS.build(dict(type='RepeatDataset', dataset=greys(6), times=2))
    rows = annotations(twice, 12)
    order = hardest_first(torch.linspace(0, 1, 12))

    def shown_of(top: int) -> list[int]:
        return hardest_images(((i, twice[i]) for i in order), rows, top, lambda row: True)[0]

    assert shown_of(10) == [11, 10, 9, 8, 7, 6]
    assert shown_of(2) == [11, 10]


def test_samples_are_called_by_their_path_or_their_place() -> None:
    parts = [greys(3), dict(type='RepeatDataset', dataset=greys(2), times=2)]
    joined = DATASETS.build(dict(type='ConcatDataset', datasets=parts))
    assert [row['sample'] for row in annotations(joined, 7)] == [f'Greys[{i}]' for i in (0, 1, 2, 0, 1, 0, 1)]
    joined.datasets[0].data_list[1]['img_path'] = 'cat.png'
    assert annotations(joined, 7)[1]['sample'] == 'cat.png'


def test_names_of_classes() -> None:
    assert class_number('cat', ['dog', 'cat']) == 1 and class_number('7', None) == 7 == class_number('7', ['dog'])
    assert class_number('7', ['7', 'dog']) == 0, 'a name comes first'
    with pytest.raises(ValueError, match="did you mean 'cat'"):
        class_number('cta', ['dog', 'cat'])


def test_the_config_in_a_checkpoint_runs_only_if_asked_to(work_dir: Path, tmp_path: Path, monkeypatch) -> None:
    """It is a program, and whoever made the checkpoint wrote it."""
    checkpoint = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    checkpoint['meta']['cfg'] += f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n"
    torch.save(checkpoint, tmp_path / 'foreign.pth')
    with pytest.raises(SystemExit, match=r'--config, or add --trust-checkpoint'):
        run(monkeypatch, tmp_path / 'foreign.pth')
    run(monkeypatch, tmp_path / 'foreign.pth', '--top', '1', '--config', next(work_dir.glob('*.py')))
    assert not (tmp_path / 'ran').exists()
    run(monkeypatch, tmp_path / 'foreign.pth', '--top', '1', '--trust-checkpoint')
    assert (tmp_path / 'ran').exists()


def test_errors_name_the_fix(work_dir: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SystemExit, match='neither a checkpoint nor a work dir'):
        run(monkeypatch, tmp_path)
    checkpoint = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    checkpoint['hard_samples'] = {name: value[:40] for name, value in checkpoint['hard_samples'].items()}
    torch.save(checkpoint, tmp_path / 'short.pth')
    with pytest.raises(SystemExit, match=r'40 rows but the training set 48 samples'):
        run(monkeypatch, tmp_path / 'short.pth', '--trust-checkpoint')
    del checkpoint['hard_samples']
    torch.save(checkpoint, tmp_path / 'none.pth')
    with pytest.raises(SystemExit, match=r'mmmix\.HardSampleHook'):
        run(monkeypatch, tmp_path / 'none.pth')
