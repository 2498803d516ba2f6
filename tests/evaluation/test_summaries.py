"""Summaries of runs: medians over the last epochs, over seeds, as a table."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from mmmix.evaluation import summarize
from mmmix.evaluation.runs import as_markdown

ROOT = Path(__file__).resolve().parents[2]


def tool(monkeypatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def write_run(folder: Path, config: str, values: list[float], start: int = 1, stamp: str = 'a') -> None:
    log = folder / stamp / 'vis_data'
    log.mkdir(parents=True)
    lines = [json.dumps({'accuracy/top1': v, 'step': i}) for i, v in enumerate(values, start)]
    (log / 'scalars.json').write_text('\n'.join(['{"loss": 1.0, "step": 3}', *lines]) + '\n')
    (folder / f'{config}.py').write_text('')


def test_summarize(tmp_path, monkeypatch, capsys):
    write_run(tmp_path / 'runs' / '0', 'cutmix', [0.0, *range(10, 20)])
    write_run(tmp_path / 'runs' / '1', 'cutmix', [0.0, *range(20, 30)])
    write_run(tmp_path / 'other', 'sumix', [1.0, 2.0, 3.0])
    write_run(tmp_path / 'other', 'sumix', [50.0, 60.0], start=2, stamp='b')  # resumed after the first epoch
    rows = summarize([tmp_path / 'runs', tmp_path / 'other'])
    assert rows[0]['config'] == 'cutmix'
    assert rows[0]['medians'] == [14.5, 24.5]
    assert rows[0]['mean'] == 19.5
    assert rows[0]['spread'] == pytest.approx(7.0711, abs=1e-4)
    assert rows[1]['medians'] == [50.0]
    assert rows[1]['spread'] is None
    assert '| cutmix | 2 | 11 | 14.50, 24.50 (of 10) | 19.50 | 7.07 |' in as_markdown(rows)
    tool(monkeypatch, 'summarize.py', tmp_path / 'other', '--last', 1)
    assert '| sumix | 1 | 3 | 60.00 (of 1) | 60.00 | - |' in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r'summarize\.py: error: .* has no logs'):
        tool(monkeypatch, 'summarize.py', Path(__file__).parent)
