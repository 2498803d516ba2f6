"""Boxes of maps against a flood fill, and accuracies on digits whose boxes are known."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from mmmix import Guide
from mmmix.cli import build_classifier, build_loader
from mmmix.evaluation.localization import box_of, localize, overlap

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/localization/resnet_cutmix_scattered.py'


def flooded(importance: list[list[float]], threshold: float) -> tuple[int, int, int, int]:
    """The largest part above the threshold, pixel by pixel."""
    values = [value for row in importance for value in row]
    limit = min(values) + threshold * (max(values) - min(values))
    left = {(y, x) for y, row in enumerate(importance) for x, value in enumerate(row) if value >= limit}
    parts = []
    for start in sorted(left):
        if start not in left:
            continue
        part, waiting = set(), [start]
        while waiting:
            y, x = waiting.pop()
            if (y, x) in left:
                left.discard((y, x))
                part.add((y, x))
                waiting += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        parts.append(part)
    best = max(parts, key=len)
    ys, xs = zip(*best, strict=True)
    return min(ys), max(ys) + 1, min(xs), max(xs) + 1


@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.7, 0.95])
def test_boxes_against_a_flood_fill(threshold: float) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        importance = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 14, 17), 3)[0, 0].repeat_interleave(2, 0)
        assert box_of(importance.double(), threshold) == flooded(importance.double().tolist(), threshold)
    assert box_of(torch.ones(4, 5), threshold) == (0, 4, 0, 5)


def test_overlap_by_counting() -> None:
    boxes = [(1, 5, 2, 8), (3, 9, 0, 4), (5, 6, 0, 9), (1, 5, 2, 8)]
    for first in boxes:
        for second in boxes:
            cells = [{(y, x) for y in range(b[0], b[1]) for x in range(b[2], b[3])} for b in (first, second)]
            assert overlap(first, second) == pytest.approx(len(cells[0] & cells[1]) / len(cells[0] | cells[1]))


class Oracle(Guide):
    """Maps that show the true boxes, as far as ``share`` says."""

    boxes: Any = None
    share: Any = 1.0

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        maps = torch.zeros(len(images), 1, *images.shape[2:])
        for i, (top, bottom, left, right) in enumerate(self.boxes[: round(self.share * len(images))]):
            maps[i, 0, top:bottom, left:right] = 1
        return maps


def test_who_knows_the_boxes_meets_them_all() -> None:
    config = Config.fromfile(CONFIG)
    model = build_classifier(config, initialise=True)
    loader = build_loader(config, dataset=dict(config.test_dataloader.dataset, indices=40), batch_size=40)
    guide = Oracle()
    dataset = loader.dataset
    guide.boxes = [dataset.get_data_info(i)['box'] for i in range(40)]
    found = localize(model, loader, guide, thresholds=(0.2, 0.5))
    assert found.max_box_acc == 100 and found.images == 40 and found.top1_loc == found.top1
    guide.share = 0.5
    half = localize(model, loader, guide, thresholds=(0.5,))
    # The other half has a flat map, whose box is all of the image.
    whole = sum(overlap((0, 32, 0, 32), box) >= 0.5 for box in guide.boxes[20:])
    assert half.max_box_acc == pytest.approx(100 * (20 + whole) / 40) and half.curve == {0.5: half.max_box_acc}
    with pytest.raises(ValueError, match='`thresholds`'):
        localize(model, loader, guide, thresholds=())
    bare = build_loader(Config.fromfile(ROOT / 'configs/quickstart/resnet_scattered_none.py'))
    with pytest.raises(ValueError, match='has no `box`'):
        localize(model, bare, guide)


def test_the_tool(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_classifier(Config.fromfile(CONFIG), initialise=True)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'model.pth')
    command = [sys.executable, 'tools/localization.py', str(CONFIG), str(tmp_path / 'model.pth'), '--limit', '8']
    options = ['--output', str(tmp_path / 'found.json'), '--cfg-options', 'test_dataloader.dataset.indices=16']
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert 'MaxBoxAcc' in done.stdout
    found = json.loads((tmp_path / 'found.json').read_text())
    assert found['images'] == 16 and len(found['curve']) == 19
