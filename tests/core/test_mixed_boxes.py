"""What is still to be seen of each box, against a count pixel by pixel."""

import pytest
import torch

from mmmix import CutMix, Cutout, FMix, Mixer, Mixup, Mosaic, ResizeMix, SmoothMix, StackMix
from mmmix.core import MixedBoxes, Sources, mix_boxes, mix_detection, trace

SIZE = (18, 22)


def some_boxes(n: int, each: int = 4) -> list[torch.Tensor]:
    """Boxes with fractions of pixels, some beyond the border; the last image has none."""
    found = []
    for _ in range(n - 1):
        first = torch.rand(each, 2) * torch.tensor([SIZE[1], SIZE[0]]) - 1
        found.append(torch.cat([first, first + 1 + torch.rand(each, 2) * 14], 1))
    return [*found, torch.zeros(0, 4)]


def reference(sources: Sources, boxes: list[torch.Tensor], i: int) -> dict[tuple[int, int, bool], tuple]:
    """Share and edges of every box in image ``i`` of an unresized pair, pixel by pixel."""
    mask, partner, found = sources.mix.mask[i, 0], int(sources.mix.partner[i]), {}
    if partner == i:
        return {(i, b, False): (1.0, box.tolist()) for b, box in enumerate(boxes[i])}
    for row, is_other in ((i, False), (partner, True)):
        for b, (left, top, right, bottom) in enumerate(boxes[row].tolist()):
            count, seen, places = 0, 0.0, []
            for y in range(SIZE[0]):
                for x in range(SIZE[1]):
                    if left <= x + 0.5 < right and top <= y + 0.5 < bottom:
                        count += 1
                        share = float(mask[y, x])
                        share = 1 - share if is_other else share
                        seen += share
                        if share > 0:
                            places.append((x, y))
            found[row, b, is_other] = (seen / count if count else 0.0, places)
    return found


def keys(found: MixedBoxes) -> list[tuple[int, int, bool]]:
    return list(zip(found.image.tolist(), found.index.tolist(), found.other.tolist(), strict=True))


@pytest.mark.parametrize(
    'mixer',
    [CutMix(lam_mode='elem'), CutMix(), Mixup(lam_mode='elem'), FMix(), SmoothMix(lam_mode='elem')],
    ids=['cutmix-elem', 'cutmix', 'mixup', 'fmix', 'smoothmix'],
)
@pytest.mark.parametrize('least', [0.0, 0.1, 0.6])
def test_shares_are_counted_pixel_by_pixel(mixer: Mixer, least: float) -> None:
    for _ in range(4):
        boxes = some_boxes(5)
        sources = trace(mixer, torch.rand(5, 3, *SIZE))
        for i, found in enumerate(mix_boxes(sources, boxes, least)):
            expected = reference(sources, boxes, i)
            alike = {key: value for key, value in expected.items() if value[0] >= least and value[0] > 0}
            if int(sources.mix.partner[i]) != i:
                # A share that is the limit to the last bit may fall on either side.
                near = {key for key, value in expected.items() if abs(value[0] - least) < 1e-5}
                assert set(keys(found)) - near == set(alike) - near
            for key, box, weight in zip(keys(found), found.boxes.tolist(), found.weights.tolist(), strict=True):
                share, places = expected[key]
                assert weight == pytest.approx(share, abs=1e-5)
                if int(sources.mix.partner[i]) == i:
                    assert box == places
                    continue
                # Around all that is seen, and at most a pixel around it: an edge that stands keeps its fraction.
                xs, ys = zip(*places, strict=True)
                own = boxes[key[0]][key[1]].tolist()
                edges = (min(xs), min(ys), max(xs) + 1, max(ys) + 1)
                for side, (edge, was, now) in enumerate(zip(edges, own, box, strict=True)):
                    assert now in (edge, pytest.approx(was)), side


def test_a_box_without_a_loss_is_left_alone() -> None:
    boxes = [torch.tensor([[1.25, 2.5, 6.75, 9.1]]), torch.tensor([[0.3, 0.3, 0.4, 0.4]])]
    for mixer in (CutMix(prob=1e-9), Mixup(prob=1e-9, lam_mode='elem')):
        found = mix_boxes(trace(mixer, torch.rand(2, 3, *SIZE)), boxes, 1.0)
        assert all(torch.equal(each.boxes, box) for each, box in zip(found, boxes, strict=True))
        assert all(each.weights.tolist() == [1.0] for each in found)


def test_a_cut_edge_moves_and_the_others_stay() -> None:
    """CutMix by hand: the right half of the image is replaced."""

    class RightHalf(CutMix):
        def boxes(self, own, share):
            return (0, SIZE[0], 11, 22) if not isinstance(share, torch.Tensor) else NotImplemented

    boxes = [torch.tensor([[5.25, 2.5, 16.75, 9.1], [12.0, 1.0, 15.0, 4.0], [1.5, 1.5, 3.0, 3.0]]), torch.zeros(0, 4)]
    for seed in range(4):
        torch.manual_seed(seed)
        sources = trace(RightHalf(), torch.rand(2, 3, *SIZE))
        if sources.mix.partner.tolist() == [1, 0]:
            break
    first, second = mix_boxes(sources, boxes)
    torch.testing.assert_close(first.boxes, torch.tensor([[5.25, 2.5, 11.0, 9.1], [1.5, 1.5, 3.0, 3.0]]))
    torch.testing.assert_close(first.weights, torch.tensor([6 / 12, 1.0]))
    torch.testing.assert_close(second.boxes, torch.tensor([[11.0, 2.5, 16.75, 9.1], [12.0, 1.0, 15.0, 4.0]]))
    assert second.image.tolist() == [0, 0] and second.index.tolist() == [0, 1] and second.other.tolist() == [True, True]


@pytest.mark.parametrize('mixer', [ResizeMix(scope=(0.4, 0.6)), StackMix()], ids=['resizemix', 'stackmix'])
def test_boxes_of_resized_partners_lie_around_what_they_show(mixer: Mixer) -> None:
    """An object is painted; its box in the mix is where its colour is."""
    images = torch.zeros(3, 3, 40, 60)
    boxes = []
    for i in range(3):
        left, top = 8 + 6 * i, 5 + 4 * i
        images[i, i, top : top + 16, left : left + 20] = 1
        boxes.append(torch.tensor([[left, top, left + 20, top + 16]], dtype=torch.float32))
    checked = 0
    for seed in range(6):
        torch.manual_seed(seed)
        sources = trace(mixer, images)
        for i, found in enumerate(mix_boxes(sources, boxes)):
            for (row, _, is_other), box, weight in zip(keys(found), found.boxes, found.weights, strict=True):
                if row == i and is_other:
                    continue  # an image that was pasted into itself
                ys, xs = (sources.mix.images[i, row] > 0.5).nonzero().unbind(1)
                if is_other and row != i:
                    seen = torch.tensor([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
                    assert bool(((box - seen).abs() <= 1).all()), (box, seen)
                    assert weight == pytest.approx(1, abs=0.15)  # all of it shows, only smaller
                    checked += 1
    assert checked > 4


def test_erased_boxes_go() -> None:
    boxes = [torch.tensor([[2.0, 2.0, 10.0, 10.0]])] * 3
    sources = trace(Cutout(length=12), torch.rand(3, 3, *SIZE))
    for i, found in enumerate(mix_boxes(sources, boxes, 0.3)):
        share = float(sources.mix.mask[i, 0, 2:10, 2:10].float().mean())
        assert len(found.boxes) == (share >= 0.3)


def test_torchvision_targets() -> None:
    """Labels, masks and areas follow their boxes."""
    n, (height, width) = 4, SIZE
    images, targets = torch.rand(n, 3, height, width), []
    for i in range(n):
        boxes = some_boxes(2)[0].clamp(min=0, max=17)
        masks = torch.zeros(len(boxes), height, width, dtype=torch.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes.round().long().tolist(), strict=True):
            mask[top:bottom, left:right] = 1
        target = dict(boxes=boxes, labels=10 * i + torch.arange(len(boxes)), masks=masks, image_id=torch.tensor(i))
        target.update(area=(boxes[:, 2:] - boxes[:, :2]).prod(1), iscrowd=torch.zeros(len(boxes)).long())
        targets.append(target)
    torch.manual_seed(1)
    mixed, found = mix_detection(CutMix(), list(images), targets)
    torch.manual_seed(1)
    sources = trace(CutMix(), images)
    assert torch.equal(mixed, sources.mix.images)
    for i, target in enumerate(found):
        assert target['image_id'] == i
        assert len({len(target[key]) for key in ('boxes', 'labels', 'weights', 'masks', 'area', 'iscrowd')}) == 1
        torch.testing.assert_close(target['area'], (target['boxes'][:, 2:] - target['boxes'][:, :2]).prod(1))
        for label, mask in zip(target['labels'].tolist(), target['masks'], strict=True):
            row, box = divmod(label, 10)
            share = sources.mix.mask[i, 0] == (1 if row == i else 0)
            assert torch.equal(mask, targets[row]['masks'][box] * share)
    assert any(len(target['labels'].div(10, rounding_mode='floor').unique()) > 1 for target in found)


def test_torchvision_detector_trains_on_them() -> None:
    """The targets are what torchvision's own detector takes."""
    from torchvision.models.detection import FCOS
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3, 8, 1))
    backbone.out_channels = 32  # type: ignore[assignment]
    anchors = AnchorGenerator(((8,),), ((1.0,),))
    model = FCOS(backbone, 3, min_size=32, max_size=32, anchor_generator=anchors)
    targets = [dict(boxes=torch.tensor([[2.0, 3.0, 20.0, 24.0]]), labels=torch.tensor([i % 2 + 1])) for i in range(4)]
    images, mixed = mix_detection(Mixup(), torch.rand(4, 3, 32, 32), targets)
    losses = model(list(images), mixed)
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())


def test_bad_boxes_are_told() -> None:
    sources = trace(CutMix(), torch.rand(2, 3, *SIZE))
    boxes = torch.tensor([[1.0, 1.0, 3.0, 3.0]])
    for bad, words in (
        ([boxes], 'one tensor each'),
        ([boxes, torch.zeros(0)], r'torch.zeros\(0, 4\)'),
        ([boxes, boxes.flip(1)], 'ends before it begins'),
    ):
        with pytest.raises(ValueError, match=words):
            mix_boxes(sources, bad)
    with pytest.raises(ValueError, match='least_visible'):
        mix_boxes(sources, [boxes, boxes], 2)
    with pytest.raises(ValueError, match='mixer of pairs'):
        mix_boxes(trace(Mosaic(), torch.rand(4, 3, *SIZE)), [boxes] * 4)
    target = dict(boxes=boxes, labels=torch.ones(1).long())
    with pytest.raises(ValueError, match='one size'):
        mix_detection(CutMix(), [torch.rand(3, 4, 4), torch.rand(3, 4, 5)], [target] * 2)
    with pytest.raises(ValueError, match='`keypoints` of a target'):
        mix_detection(CutMix(), torch.rand(2, 3, 4, 4), [dict(target, keypoints=torch.zeros(1, 2, 3))] * 2)
