"""Curves of one run and of several side by side."""

import json
import runpy
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmmix.visualization import curves, figures

ROOT = Path(__file__).resolve().parents[2]


def a_run(folder: Path, top1: float) -> Path:
    log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    lines = [dict(step=step, loss=2.0 / step) for step in (1, 2, 3)] + [{'step': 3, 'accuracy/top1': top1}]
    log.write_text('\n'.join(map(json.dumps, lines)))
    return folder


@pytest.mark.parametrize('names', [['one'], ['one', 'two']])
def test_each_run_is_a_line_and_its_last_accuracy_is_told(names, tmp_path, monkeypatch, capsys):
    runs = [a_run(tmp_path / name, 50.0 + number) for number, name in enumerate(names)]
    drawn = []

    @contextmanager
    def figure_at(*args):
        with figures.figure_at(*args) as (figure, axes):
            yield figure, axes
            drawn.extend(axes[0])

    monkeypatch.setattr(curves, 'figure_at', figure_at)
    monkeypatch.setattr(sys, 'argv', ['plot_curves.py', *map(str, runs)])
    runpy.run_path(str(ROOT / 'tools' / 'plot_curves.py'), run_name='__main__')
    assert (runs[0] / 'curves.png').stat().st_size > 0
    told = capsys.readouterr().out.splitlines()
    assert told[1:] == [f'Top-1 accuracy at the end: {50 + number:.2f} %  {run}' for number, run in enumerate(runs)]

    loss, accuracy = drawn
    assert [line.get_ydata().tolist() for line in loss.lines] == [[2.0, 1.0, 2 / 3]] * len(runs)
    assert [line.get_ydata().tolist() for line in accuracy.lines] == [[50.0 + number] for number in range(len(runs))]
    legend = loss.get_legend()
    assert [text.get_text() for text in legend.texts] == [*map(str, runs)] if len(runs) > 1 else legend is None
