"""GridHoles: regular holes in a box, sides as the share says."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mmmix import GridHoles


def runs(line: Tensor) -> list[tuple[int, int]]:
    """Where the True in a line begin, and how many there are."""
    found, start = [], None
    for i, value in enumerate([*line.tolist(), False]):
        if value and start is None:
            start = i
        elif not value and start is not None:
            found.append((start, i - start))
            start = None
    return found


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9])
@pytest.mark.parametrize('size', [(32, 32), (24, 40)])
def test_holes_are_regular_and_as_large_as_the_share_says(share: float, size: tuple[int, int]) -> None:
    images = torch.zeros(8, 1, *size)
    mixer = GridHoles(holes=(3, 3), area=(1.0, 1.0), aspect=(size[0] / size[1],) * 2, lam_mode='elem')
    torch.manual_seed(0)
    mask, _ = mixer.draw(images, images, torch.full((8,), share))
    step = math.ceil(size[1] / 3)
    side = min(max(int(step * math.sqrt(1 - share)), 1), step - 1)
    for hole in ~mask[:, 0]:
        columns, rows = runs(hole.any(0)), runs(hole.any(1))
        assert columns == [(x, min(side, size[1] - x)) for x in range(0, size[1], step)]
        assert rows == [(y, min(side, size[0] - y)) for y in range(0, size[0], step) if y < size[0]]
        assert torch.equal(hole, hole.any(0)[None] & hole.any(1)[:, None]), 'rows and columns cross'


def test_the_box_has_its_area_and_lies_anywhere() -> None:
    """With patches of two pixels and a hole of one the box is to be seen up to a pixel."""
    torch.manual_seed(0)
    images = torch.zeros(400, 1, 64, 64)
    mixer = GridHoles(holes=(16, 16), area=(0.25, 0.25), aspect=(1.0, 1.0), lam_mode='elem')
    mask, _ = mixer.draw(images, images, torch.full((400,), 0.6))
    hole = ~mask[:, 0]
    tops = hole.any(2).int().argmax(1)
    heights = torch.tensor([int(each.any(1).nonzero().max() - each.any(1).nonzero().min()) + 1 for each in hole])
    assert set(heights.tolist()) == {31}
    assert int(tops.min()) <= 2 and int(tops.max()) >= 29 and float(tops.float().mean()) == pytest.approx(15.5, abs=1.5)


def test_one_pattern_for_the_batch_or_one_for_each() -> None:
    images, scores = torch.rand(6, 3, 32, 32), torch.eye(6)
    torch.manual_seed(0)
    batch = GridHoles(lam_mode='batch').mix(images, scores).mask
    assert bool((batch == batch[:1]).all())
    each = GridHoles(lam_mode='elem').mix(images, scores).mask
    assert len({tuple(mask.flatten().tolist()) for mask in each}) > 3


def test_tiny_images_have_no_hole_without_an_edge() -> None:
    mix = GridHoles(holes=(6, 6)).mix(torch.rand(4, 3, 2, 2), torch.eye(4))
    assert bool((mix.lam == 1).all())


@pytest.mark.parametrize('args', [dict(holes=(0, 3)), dict(area=(0.5, 1.5)), dict(aspect=(2, 1)), dict(alpha=0)])
def test_bad_arguments_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f'GridHoles: `{next(iter(args))}` must'):
        GridHoles(**args)
