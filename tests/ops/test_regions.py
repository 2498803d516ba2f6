"""Averages over boxes are those of torchvision's RoI align."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import roi_align

from mmmix.ops.regions import box_means


def random_boxes(count: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, left, bottom and right of boxes of any size in a map."""
    first, beyond = torch.rand(2, 2, count).sort(0).values * torch.tensor([height, width]).view(2, 1)
    return first[0], first[1], beyond[0], beyond[1]


def of_torchvision(maps: Tensor, boxes: tuple[Tensor, ...]) -> Tensor:
    top, left, bottom, right = boxes
    rows = torch.stack([torch.arange(len(maps)).float(), left, top, right, bottom], 1)
    return roi_align(maps.float(), rows, output_size=1, aligned=True).flatten(1)


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (2, 2), (7, 7), (8, 3), (14, 20)])
def test_means_and_their_gradients_are_those_of_roi_align(size: tuple[int, int]) -> None:
    height, width = size
    maps = torch.randn(300, 5, height, width, requires_grad=True)
    boxes = random_boxes(300, height, width)
    expected, found = of_torchvision(maps, boxes), box_means(maps, *boxes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((means * weights).sum(), maps)[0] for means in (found, expected)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5)


def test_boxes_on_pixels_and_whole_maps_are_plain_means() -> None:
    maps = torch.randn(2, 3, 6, 9)
    top, left, bottom, right = torch.tensor([[0, 0, 6, 9], [1, 4, 3, 8]]).T
    found = box_means(maps, top, left, bottom, right)
    torch.testing.assert_close(found[0], maps[0].mean((1, 2)))
    torch.testing.assert_close(found[1], maps[1, :, 1:3, 4:8].mean((1, 2)))


def test_empty_boxes_give_what_roi_align_gives() -> None:
    maps = torch.randn(4, 3, 5, 5, requires_grad=True)
    sides = torch.tensor([0.0, 2.0, 5.0, 1.3])
    for boxes in [
        (sides, sides, sides, sides),
        (sides, torch.zeros(4), sides, torch.full((4,), 5.0)),
        (torch.zeros(4), sides, torch.full((4,), 5.0), sides),
    ]:
        found = box_means(maps, *boxes)
        assert torch.equal(found, of_torchvision(maps, boxes))
        assert torch.equal(found, torch.zeros(4, 3))
        assert not torch.autograd.grad(found.sum(), maps)[0].any()


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_means_are_float32_whatever_the_maps_are(dtype: torch.dtype, layout: torch.memory_format) -> None:
    maps = torch.randn(8, 4, 7, 6).to(dtype).contiguous(memory_format=layout)
    boxes = random_boxes(8, 7, 6)
    with torch.autocast('cpu', torch.bfloat16):
        found = box_means(maps, *boxes)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, of_torchvision(maps, boxes), rtol=1e-5, atol=1e-5)
