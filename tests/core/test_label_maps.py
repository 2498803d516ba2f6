"""Labels of pixels tell the truth about the pixels, whatever the mixer."""

from math import ceil, floor

import pytest
import torch
from mmpretrain.registry import BATCH_AUGMENTS
from table import CASES, IDS, Row

from mmmix import CutMix, Cutout, FMix, ManifoldMix, Mixup, PuzzleMix, RecursiveMix, SmoothMix, SpectralResidual
from mmmix.core import mix_label_maps, trace

#: Rows that look at a classifier, at features or at earlier batches; each is refused.
REFUSED = {
    'AdAutoMix', 'AutoMix', 'SAMix', 'RecursiveMix', 'ManifoldMix', 'AlignMix', 'MoEx', 'MixStyle', 'KeepPaste',
    'SnapMix', 'SMMix', 'MaskMix', 'MixPro',
}  # fmt: skip


def traceable(row: Row, mode: str):
    """The mixer of a row as it is built for images alone; None if it cannot be."""
    mixer = BATCH_AUGMENTS.build(row.config(lam_mode=mode))
    if mixer.needs_model or any(part.needs_model for part in mixer.parts()) or row.name in REFUSED:
        return None
    return mixer


def painted(n: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Label maps of four classes in stripes, and images whose one channel is the class."""
    maps = (torch.arange(width) // 3 + torch.arange(height)[:, None] // 4)[None] + torch.arange(n)[:, None, None]
    maps = maps % 4
    return maps[:, None].float().repeat(1, 3, 1, 1), maps


@pytest.mark.parametrize(('row', 'mode'), CASES, ids=IDS)
def test_painted_images_stay_true(row: Row, mode: str) -> None:
    """An image of one class in one colour: each mixed pixel has the colour of its label, in shares."""
    mixer = traceable(row, mode)
    if mixer is None or getattr(mixer, 'transport', False):
        pytest.skip('looks at more than images, see test_what_cannot_be_traced')
    n, (height, width) = 8, row.image_size
    maps = torch.arange(n)[:, None, None].expand(n, height, width)
    images = torch.eye(n)[:, :, None, None].expand(n, n, height, width).contiguous()
    for _ in range(3):
        sources = trace(mixer, images)
        soft = mix_label_maps(sources, maps, 'soft', num_classes=n)
        if sources.own.row.min() >= 0 and sources.other.row.min() >= 0:
            torch.testing.assert_close(soft, sources.mix.images, atol=1e-5, rtol=0)
        hard = mix_label_maps(sources, maps)
        own = sources.own.weight
        settled = (own != 0.5) & (soft.sum(1) > 0.99)
        assert torch.equal(soft.argmax(1)[settled], hard[settled])


@pytest.mark.parametrize('mode', ['batch', 'elem'])
@pytest.mark.parametrize('kind', [CutMix, FMix])
def test_pixels_keep_their_labels(kind: type, mode: str) -> None:
    """Stripes of classes under a binary mask: the label of each pixel is its colour, bit by bit."""
    images, maps = painted(6, 20, 14)
    for _ in range(5):
        sources = trace(kind(lam_mode=mode), images)
        assert torch.equal(mix_label_maps(sources, maps), sources.mix.images[:, 0].long())
        assert len(sources.mix.mask.unique()) <= 2


@pytest.mark.parametrize('name', ['Mosaic', 'RICAP', 'ResizeMix', 'StackMix', 'CutThumbnail'])
def test_where_pixels_moved_their_labels_moved_too(name: str) -> None:
    """Slow reference: the colour of a pixel tells whose and which it is, and its label is that of a nearest one."""
    n, height, width = 4, 24, 20
    images = torch.empty(n, 3, height, width)
    images[:, 0], images[:, 1] = torch.arange(n).view(-1, 1, 1), torch.arange(height)[:, None]
    images[:, 2] = torch.arange(width)
    sources = trace(BATCH_AUGMENTS.build(dict(type=f'mmmix.{name}')), images)
    maps = torch.randint(50, (n, height, width))
    found, moved = mix_label_maps(sources, maps), 0
    for i, y, x in torch.cartesian_prod(*map(torch.arange, found.shape)).tolist():
        row, down, across = sources.mix.images[i, :, y, x].tolist()
        nearest = [(floor(at + 0.499), ceil(at - 0.499)) for at in (down, across)]
        assert found[i, y, x] in [maps[round(row), v, u] for v in nearest[0] for u in nearest[1]]
        moved += abs(down - y) + abs(across - x) > 0.01
    assert moved > 0


def test_soft_maps_and_majority_against_a_loop() -> None:
    images, maps = painted(5, 6, 7)
    maps[0, 0] = 255
    sources = trace(SmoothMix(lam_mode='elem'), images)
    soft, hard = mix_label_maps(sources, maps, 'soft', num_classes=4), mix_label_maps(sources, maps)
    mix = sources.mix
    for i in range(5):
        for y in range(6):
            for x in range(7):
                expected = torch.zeros(4)
                share = float(mix.mask[i, 0, y, x])
                own, other = int(maps[i, y, x]), int(maps[mix.partner[i], y, x])
                for label, part in ((own, share), (other, 1 - share)):
                    if label != 255:
                        expected[label] += part
                torch.testing.assert_close(soft[i, :, y, x], expected)
                assert hard[i, y, x] == (own if share >= 0.5 else other)


def test_erased_pixels_are_ignored() -> None:
    images, maps = painted(3, 12, 12)
    sources = trace(Cutout(length=6), images + 1)
    found = mix_label_maps(sources, maps)
    gone = sources.mix.mask[:, 0] == 0
    assert bool(gone.any()) and bool((found[gone] == 255).all())
    assert torch.equal(found[~gone], maps[~gone])


def test_traced_mixes_are_like_others() -> None:
    """The pixels are what the mixer makes of them: same law, input left alone, type and size kept."""
    images, _ = painted(4, 12, 10)
    before = images.clone()
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        mix = trace(Mixup(), images.to(dtype)).mix
        assert mix.images.dtype == dtype and mix.images.shape == images.shape
        expected = mix.mask * images + (1 - mix.mask) * images[mix.partner]
        torch.testing.assert_close(mix.images.float(), expected.float(), atol=2e-2, rtol=1e-2)
    assert torch.equal(images, before)
    alone = trace(CutMix(), images[:1])
    assert torch.equal(alone.mix.images, images[:1]) and bool((alone.own.weight == 1).all())
    kept = trace(CutMix(prob=1e-9), images)
    assert torch.equal(kept.mix.images, images) and not kept.mix.mixed


def test_puzzles_do_not_notice_the_addresses() -> None:
    """A mixer that compares neighbouring pixels cuts as it does without."""
    images = torch.rand(4, 3, 16, 16)
    mixer = PuzzleMix(guide=SpectralResidual(), transport=False, lam_mode='elem')
    torch.manual_seed(3)
    plain = mixer.mix(images, torch.eye(4))
    torch.manual_seed(3)
    assert torch.equal(trace(mixer, images).mix.mask, plain.mask)


@pytest.mark.parametrize(
    ('mixer', 'words'),
    [
        (ManifoldMix(), 'remove `at`'),
        (RecursiveMix(), 'earlier batches'),
        (PuzzleMix(), 'looks at a classifier'),
        (PuzzleMix(guide=SpectralResidual()), 'transport=False'),
        (CutMix(labels=dict(type='mmmix.TransMix')), 'looks at a classifier'),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else '',
)
def test_what_cannot_be_traced(mixer, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trace(mixer, torch.rand(4, 3, 16, 16))


@pytest.mark.parametrize('name', ['MoEx', 'MixStyle', 'AlignMix'])
def test_values_of_no_pixel_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match='no pixels of any image'):
        trace(
            BATCH_AUGMENTS.build(dict(type=f'mmmix.{name}', at=None if name != 'AlignMix' else '')),
            torch.rand(4, 3, 8, 8),
        )


def test_bad_maps_are_told() -> None:
    images, maps = painted(3, 8, 8)
    sources = trace(CutMix(), images)
    with pytest.raises(ValueError, match='resize and crop them with the images'):
        mix_label_maps(sources, maps[:, :4])
    with pytest.raises(TypeError, match='class indices'):
        mix_label_maps(sources, maps.float())
    with pytest.raises(ValueError, match='num_classes'):
        mix_label_maps(sources, maps, 'soft')
    with pytest.raises(ValueError, match="'majority' or 'soft'"):
        mix_label_maps(sources, maps, 'hard')
    with pytest.raises(TypeError, match='Expected a mixer'):
        trace('CutMix', images)  # type: ignore[arg-type]
