"""The pictures of the README: fresh, small, and every method of the gallery mixes in them."""

import hashlib
import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import SUMIX, classifier
from PIL import Image

from mmmix import HardSampleTable, mixers
from mmmix.core import Preserving

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / 'tools' / 'draw_pictures.py'
NOTE = json.loads((ROOT / 'docs' / 'pictures.json').read_text(encoding='utf-8'))


def drawing(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """A program that draws, which lies in docs/."""
    monkeypatch.syspath_prepend(str(ROOT / 'docs'))
    return importlib.import_module(name)


def test_they_are_fresh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    tool = runpy.run_path(str(TOOL))
    assert NOTE['drawn_from'] == tool['drawn_from'](), 'other code draws them or methods changed: run `make pictures`'
    assert set(NOTE['files']) == set(tool['PICTURES'])
    for name, digest in NOTE['files'].items():
        assert hashlib.sha256((ROOT / 'docs' / name).read_bytes()).hexdigest() == digest, f'{name} is another one'
    monkeypatch.setattr(sys, 'argv', ['draw_pictures.py', '--check'])
    with pytest.raises(SystemExit) as stop:
        tool['main']()
    assert not stop.value.code


def test_a_new_method_and_a_new_default_make_them_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_from = runpy.run_path(str(TOOL))['drawn_from']
    assert drawn_from() == drawn_from()
    before = drawn_from()
    monkeypatch.setattr(mixers, '__all__', [*mixers.__all__, 'Preserving'])
    monkeypatch.setattr(mixers, 'Preserving', Preserving, raising=False)
    assert drawn_from() != before
    monkeypatch.undo()
    monkeypatch.setattr(mixers, 'CutMix', mixers.Mixup)
    assert drawn_from() != before


def test_they_are_small_and_linked() -> None:
    pages = (ROOT / 'README.md').read_text(encoding='utf-8') + (ROOT / 'docs' / 'index.md').read_text(encoding='utf-8')
    for name in NOTE['files']:
        path = ROOT / 'docs' / name
        assert path.stat().st_size <= 600_000
        with Image.open(path) as image:
            assert 850 <= image.width <= 1000
            assert image.convert('RGB').getpixel((0, 0)) == (255, 255, 255)
        assert f'({name})' in pages or f'(docs/{name})' in pages
    assert not [path.name for path in (ROOT / 'docs').glob('*.png') if path.name not in NOTE['files']]


def test_every_method_of_the_gallery_mixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two different classes, or a change without another class, and a share that can be seen."""
    gallery = drawing(monkeypatch, 'gallery')
    rows = gallery.rows()
    assert {*rows, *gallery.OTHERS} <= set(mixers.__all__)
    assert len(rows) > 30 and {'HardMix', 'RecursiveMix', 'RICAP', 'TokenMix'} <= set(rows)
    torch.manual_seed(0)
    images, scores = torch.rand(4, 3, 64, 64), torch.eye(5)[:4]
    for i in range(4):  # something bright in a corner of its own, and more of it from image to image
        images[i, :, 32 * (i // 2) :, 32 * (i % 2) :][..., :28, :28] += 0.4 + 0.3 * i
    model = classifier(SUMIX, None).eval()
    model.hard_table = HardSampleTable(8)
    model.hard_table.update(range(8), torch.ones(8))
    model.hard_table.refresh()
    hard = torch.rand(2, 3, 64, 64), torch.eye(5)[[1, 1]], [3, 4]
    monkeypatch.setattr(gallery, 'DRAWS', 24)
    for name, (mixer, _) in rows.items():
        mixer.bind(model)
        if type(mixer.partners).__name__ == 'HardPool':
            mixer.partners.observe(*hard)
        mix, maps = gallery.drawn(mixer, images, scores)
        assert float((mix.images[0] - mix.pool[0]).abs().mean()) > 0.02, name
        other = mix.pool_scores[mix.partner[0]].argmax() != 0
        assert isinstance(mixer, Preserving) or other, name
        if not isinstance(mixer, Preserving) and name != 'MixStyle':
            assert 0.05 < float(mix.scores[0, 0]) < 0.9, name
        assert all(each.shape == (4, 1, 64, 64) for each in maps.values()), name


def test_text_stays_inside_and_white_stays_white(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    canvas = drawing(monkeypatch, 'canvas')
    made = canvas.Canvas(300, 60)
    made.put(torch.full((3, 20, 20), 250.0) + torch.rand(3, 20, 20), (10, 10))
    made.bars((50, 10), 200, [('cat', 0.25, canvas.COLOURS[0]), ('cup', 0.75, canvas.COLOURS[1])])
    made.save(tmp_path / 'a.png')
    with Image.open(tmp_path / 'a.png') as image:
        pixels = image.convert('RGB')
    assert pixels.getpixel((299, 59)) == pixels.getpixel((5, 5)) == (255, 255, 255)
    # The bars end where the shares say, and a heat map is dark where it is low.
    bar = tuple(bytes.fromhex(canvas.COLOURS[1].removeprefix('#')))
    wide = [x for x in range(50, 300) if pixels.getpixel((x, 34)) == bar]
    assert len(wide) == pytest.approx(151, abs=2)
    heat = canvas.heat(torch.tensor([[0.0, 1.0], [0.5, 2.0]]))
    assert heat.shape == (3, 2, 2) and heat.sum(0)[0, 0] < heat.sum(0)[1, 0] < heat.sum(0)[1, 1]
