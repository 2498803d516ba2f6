"""Corners that every mixer shares: nothing is mixed with ``prob=0``, and images may be one pixel wide."""

import pytest
import torch
from table import CASES, IDS, Row
from torch import Tensor

import mmmix
from mmmix.core import Guide, Preserving

mixers = pytest.mark.parametrize(('row', 'mode'), CASES, ids=IDS)


class Given(Guide):
    """A guide that was told what to say: its maps are the first channel of the images."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return images[:, :1].float().abs()


@pytest.mark.parametrize('keep_size', [True, False])
@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_stackmix_leaves_one_image_with_a_history_alone(mode: str, keep_size: bool) -> None:
    mixer = mmmix.StackMix(partners=mmmix.History(), prob=0.0, lam_mode=mode, keep_size=keep_size)
    for _ in range(3):
        images = torch.rand(1, 3, 6, 6)
        mix = mixer.mix(images, torch.eye(1, 4))
        whole = images if mix.images.shape == images.shape else torch.cat([images, images], 3)
        assert torch.equal(mix.images, whole)
        assert torch.equal(mix.scores, torch.eye(1, 4)) and float(mix.lam) == 1


def test_puzzlemix_leaves_pixels_where_they_are_even_if_moving_costs_nothing() -> None:
    images, scores = torch.rand(12, 3, 16, 16), torch.eye(12)
    mixer = mmmix.PuzzleMix(guide=Given(), lam_mode='elem', prob=0.0, t_eps=0.0)
    for _ in range(4):
        mix = mixer.mix(images, scores)
        assert torch.equal(mix.images, images) and torch.equal(mix.scores, scores)
    mixer = mmmix.PuzzleMix(guide=Given(), lam_mode='elem', prob=0.5, t_eps=0.0)
    scene = mixer.meet(images, scores)
    alone = scene.share == 1
    some = mixer.mix_in(scene, scene.pool)[1]
    assert alone.any() and not alone.all() and torch.equal(some.images[alone], images[alone])


SIZES = ((1, 9), (9, 1), (1, 1), (1, 70))


@mixers
def test_images_one_pixel_wide(row: Row, mode: str) -> None:
    """They are mixed and labelled as the law has it, or there is one line that says why not."""
    for size in SIZES:
        images, scores = torch.eye(8)[:, :, None, None].expand(-1, -1, *size).contiguous(), torch.eye(8)
        mixer = row.build(lam_mode=mode)
        if row.name == 'PuzzleMix' or (row.name in ('MaskMix', 'MixPro') and size == (1, 1)):
            with pytest.raises(ValueError, match=r'name smaller `blocks`|set `mask_size` to at most') as caught:
                mixer.mix(images, scores)
            assert '\n' not in str(caught.value)
            continue
        mix = mixer.mix(images, scores)
        assert bool(torch.isfinite(mix.images).all()) and bool(torch.isfinite(mix.scores).all())
        if row.area_label and not isinstance(mixer, Preserving):
            torch.testing.assert_close(mix.images.mean((2, 3)), mix.scores, rtol=0, atol=2e-6)
        if mode == 'elem':
            mix = row.build(lam_mode=mode, prob=0.0).mix(images, scores)
            assert torch.equal(mix.images, images) and torch.equal(mix.scores, scores)
