"""RICAP, Mosaic and Cut-Thumbnail: images beside slow loops, and labels that tell of all that is shown."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmmix import RICAP, CutThumbnail, Mix, Mosaic, Oneself

N, SIZE = 7, (11, 13)


def coded() -> tuple[Tensor, Tensor]:
    """Images whose pixels say whose they are, and where they were: row and column."""
    height, width = SIZE
    who = torch.arange(N).view(-1, 1, 1).expand(-1, height, width)
    y = torch.arange(height).view(1, -1, 1).expand(N, -1, width)
    x = torch.arange(width).view(1, 1, -1).expand(N, height, -1)
    return torch.stack([who, y, x], 1).float(), torch.eye(N)


def check_labels(mix: Mix, who: Tensor) -> None:
    """The label is what a count of pixels says, and the mask is where the own image shows."""
    for i in range(N):
        counts = torch.bincount(who[i].flatten(), minlength=N) / who[i].numel()
        torch.testing.assert_close(mix.scores[i], counts, rtol=0, atol=1e-6)
        assert float(mix.lam[i]) == pytest.approx(float(counts[i]), abs=1e-6)
        counts[i] = -1
        assert float(mix.lam_partner[i]) == pytest.approx(max(float(counts.max()), 0), abs=1e-6)
        assert float(counts[mix.partner[i]]) == pytest.approx(float(counts.max()), abs=1e-6)
        assert torch.equal(mix.mask[i, 0] == 1, who[i] == i)


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_ricap_is_four_crops(mode: str) -> None:
    images, scores = coded()
    points = set()
    for seed in range(30):
        torch.manual_seed(seed)
        mix = RICAP(alpha=1.0, lam_mode=mode).mix(images, scores)
        who, y, x = mix.images.long().unbind(1)
        check_labels(mix, who)
        # Every pixel lies at one shift from its place in its image, the same in all of its quarter.
        shift_y, shift_x = y - torch.arange(SIZE[0])[:, None], x - torch.arange(SIZE[1])
        codes = torch.stack([who, shift_y, shift_x], 3)
        for i in range(N):
            pieces = {tuple(each) for each in codes[i].flatten(0, 1).tolist()}
            assert 1 <= len(pieces) <= 4
        rows = (codes[:, 1:] != codes[:, :-1]).any(3).any(2)
        assert int(rows.sum(1).max()) <= 1, 'one horizontal border at most'
        points.add(tuple(rows.int().argmax(1).tolist()))
        assert mode == 'elem' or len({tuple(each) for each in rows.tolist() if any(each)}) <= 1
    assert len(points) > 5


def test_crops_lie_anywhere_in_their_images() -> None:
    """At the top left of the own image the crop of half the size begins at each row alike."""
    images, scores = coded()
    mixer = RICAP(lam_mode='elem')
    mixer.crossing = lambda count, height, width, device: (
        torch.full((count,), 5), torch.full((count,), 13)
    )  # fmt: skip
    first = []
    for seed in range(150):
        torch.manual_seed(seed)
        mix = mixer.mix(images, scores)
        assert bool((mix.images[:, 0, :5] == torch.arange(N).view(-1, 1, 1)).all())
        first.append(mix.images[:, 1, 0, 0])
    counts = torch.bincount(torch.cat(first).long(), minlength=11).float()
    assert counts[7:].sum() == 0 and float(counts[:7].min()) > 0.75 * 150 and float(counts[:7].max()) < 1.25 * 150


def test_the_point_is_of_its_law() -> None:
    torch.manual_seed(0)
    down, across = RICAP(alpha=0.3).crossing(20000, 100, 50, torch.device('cpu'))
    for side, size in ((down, 100), (across, 50)):
        share = side.float() / size
        assert float(share.mean()) == pytest.approx(0.5, abs=0.01)
        assert float(share.var()) == pytest.approx(1 / (4 * 1.6), rel=0.03)
    down, across = Mosaic(centre=(0.25, 0.75)).crossing(20000, 100, 40, torch.device('cpu'))
    assert (int(down.min()), int(down.max())) == (25, 75) and (int(across.min()), int(across.max())) == (10, 30)


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_mosaic_is_four_whole_images(mode: str) -> None:
    images, scores = coded()
    smooth = torch.rand(N, 3, *SIZE)
    for seed in range(10):
        torch.manual_seed(seed)
        told = Mosaic(lam_mode=mode).mix(images, scores)
        torch.manual_seed(seed)
        mix = Mosaic(lam_mode=mode).mix(smooth, scores)
        who = told.images[:, 0].round().long()
        check_labels(told, who)
        for i in range(N):
            row_codes, column_codes = who[i] != who[i].roll(1, 0), who[i] != who[i].roll(1, 1)
            rows = [y for y in range(1, SIZE[0]) if bool(row_codes[y].any())]
            columns = [x for x in range(1, SIZE[1]) if bool(column_codes[:, x].any())]
            if len(rows) != 1 or len(columns) != 1:
                continue  # two neighbours are one image: its border is not to be seen
            for top, bottom in ((0, rows[0]), (rows[0], SIZE[0])):
                for left, right in ((0, columns[0]), (columns[0], SIZE[1])):
                    source = smooth[who[i, top, left]]
                    wanted = F.interpolate(source[None], (bottom - top, right - left), mode='bilinear')[0]
                    torch.testing.assert_close(mix.images[i, :, top:bottom, left:right], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', [RICAP, Mosaic])
def test_the_own_image_is_at_the_top_left(kind: Any) -> None:
    images, scores = coded()
    torch.manual_seed(3)
    mix = kind(alpha=5.0, lam_mode='elem').mix(images, scores) if kind is RICAP else kind().mix(images, scores)
    assert torch.equal(mix.images[:, 0, 0, 0].round().long(), torch.arange(N))


def test_features_keep_their_graph() -> None:
    for kind in (RICAP, Mosaic):
        images = torch.rand(4, 3, 8, 8, requires_grad=True)
        mixer = kind()
        scene = mixer.meet(images.detach(), torch.eye(4))
        mixed, _ = mixer.mix_in(scene, images, 'backbone')
        mixed.sum().backward()
        assert images.grad is not None and float(images.grad.sum()) == pytest.approx(mixed.numel(), rel=1e-4)


@pytest.mark.parametrize(('size', 'sides'), [(0.5, (5, 6)), (0.25, (2, 3)), (1.0, (11, 13)), (0.01, (0, 0))])
@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_a_thumbnail_is_the_whole_partner(size: float, sides: tuple[int, int], mode: str) -> None:
    images, scores = torch.rand(N, 3, *SIZE), torch.eye(N)
    for seed in range(5):
        torch.manual_seed(seed)
        mix = CutThumbnail(size=size, lam_mode=mode).mix(images, scores)
        for i in range(N):
            hole = (mix.mask[i, 0] == 0).nonzero()
            assert len(hole) == sides[0] * sides[1]
            if len(hole):
                (top, left), (bottom, right) = hole.amin(0).tolist(), (hole.amax(0) + 1).tolist()
                assert (bottom - top, right - left) == sides
                wanted = F.interpolate(images[mix.partner[i]][None], sides, mode='bilinear')[0]
                torch.testing.assert_close(mix.images[i, :, top:bottom, left:right], wanted, rtol=1e-4, atol=1e-5)
        assert mix.lam.tolist() == pytest.approx([1 - sides[0] * sides[1] / 143] * N, abs=1e-6)


def test_thumbnails_lie_at_every_place_alike() -> None:
    torch.manual_seed(0)
    for mode, rounds in (('batch', 2000), ('elem', 250)):
        mixer, tops = CutThumbnail(size=0.5, lam_mode=mode), []
        for _ in range(rounds):
            mask = mixer.mix(torch.rand(8, 1, 8, 8), torch.eye(8)).mask[:, 0]
            tops.append((mask.amin(2) == 0).int().argmax(1)[: 1 if mode == 'batch' else 8])
        counts = torch.bincount(torch.cat(tops), minlength=5)
        assert len(counts) == 5 and counts.tolist() == pytest.approx([400] * 5, abs=80)


def test_with_oneself_the_label_stays() -> None:
    images, scores = torch.rand(N, 3, *SIZE), torch.eye(N)
    mix = CutThumbnail(partners=Oneself()).mix(images, scores)
    assert torch.equal(mix.scores, scores) and not torch.equal(mix.images, images)


@pytest.mark.parametrize(
    ('kind', 'args', 'words'),
    [
        (RICAP, dict(alpha=0), '`alpha` must be a number above 0'),
        (Mosaic, dict(centre=(0.5, 1.5)), '`centre` must'),
        (CutThumbnail, dict(size=0), '`size` must lie in'),
    ],
)
def test_bad_arguments_are_refused(kind: Any, args: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**args)
    for settled in ('partners', 'labels'):
        if kind is not CutThumbnail:
            with pytest.raises(TypeError, match=f'does not take `{settled}`'):
                kind(**{settled: None})
