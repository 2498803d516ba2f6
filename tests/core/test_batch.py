"""What mixers take: class indices as labels, uint8 images, clips; and what they refuse in one line."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from table import CASES, IDS, Row
from torch import Tensor

from mmmix import (
    CutMix,
    Cutout,
    FMix,
    InputGradient,
    Mixup,
    RandomErasing,
    RecursiveMix,
    SelectiveCut,
    SpectralResidual,
    TransMix,
)
from mmmix.core.batch import looks

mixers = pytest.mark.parametrize(('row', 'mode'), CASES, ids=IDS)
N = 6


def mixed(row: Row, mode: str, images: Tensor, labels: Tensor, **more: Any) -> tuple[Tensor, Tensor, Any]:
    """What a mixer makes of a batch from one seed; the mixer too."""
    torch.manual_seed(3)
    mixer = row.build(lam_mode=mode, **more)
    return *mixer(images, labels), mixer


# ---------------------------------------------------------------------------------------------------------- labels


@mixers
@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8])
def test_class_indices_are_one_hot_labels(row: Row, mode: str, dtype: torch.dtype) -> None:
    images, labels = torch.rand(N, 3, *row.image_size), torch.tensor([0, 7, 3, 3, 1, 5])
    expected = mixed(row, mode, images, F.one_hot(labels, 8).float())
    found = mixed(row, mode, images, labels.to(dtype), num_classes=8)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


@mixers
def test_labels_are_smoothed_once(row: Row, mode: str) -> None:
    """Shares are linear: smoothing the labels is smoothing the mixture, by as much as the shares add up to."""
    if any(row.build().at):
        pytest.skip('where features are mixed nothing is smoothed')
    images, scores = torch.rand(N, 3, *row.image_size), torch.eye(8)[:N]
    plain = mixed(row, mode, images, scores, prob=1.0)[1]
    for prob in (1.0, 0.0):
        found = mixed(row, mode, images, scores, label_smoothing=0.2, prob=prob)[1]
        before = plain if prob else scores
        torch.testing.assert_close(found, 0.8 * before + 0.2 / 8 * before.sum(1, keepdim=True))


def test_what_is_remembered_is_not_smoothed_again() -> None:
    """Over several steps of RecursiveMix, whose partners are its own mixtures, each label is smoothed once."""
    images, scores = torch.rand(N, 3, 8, 8), torch.eye(N)
    plain, smooth = RecursiveMix(prob=1.0), RecursiveMix(prob=1.0, label_smoothing=0.2)
    for mixer in (plain, smooth):
        torch.manual_seed(5)
        last = [mixer.mix(images, scores) for _ in range(4)][-1]
        if mixer is plain:
            expected = 0.8 * last.scores + 0.2 / N
    torch.testing.assert_close(last.scores, expected)
    told = last.lam[:, None] * last.pool_scores[:N] + last.lam_partner[:, None] * last.pool_scores[last.partner]
    torch.testing.assert_close(last.scores, told)


def test_smoothing_that_cannot_be() -> None:
    with pytest.raises(ValueError, match='spreads a label over classes'):
        Mixup(label_smoothing=0.1)(torch.rand(4, 3, 8, 8), torch.rand(4, 1))
    with pytest.raises(ValueError, match='LabelSmoothLoss'):
        Mixup(label_smoothing=0.1, at='backbone')


@pytest.mark.parametrize(
    ('labels', 'words'),
    [
        (torch.tensor([0, 1, 2, 3, 4, 5]), ('from 0 to 5', 'num_classes=5', '[0, 4]')),
        (torch.tensor([0, 1, -1, 3, 4, 2]), ('from -1 to 4', '[0, 4]')),
        (torch.tensor([[0], [1], [2], [3], [4], [4]]), ('(6, 1)', '.flatten()')),
        (torch.eye(6), ('6 classes', 'num_classes=5')),
        (torch.arange(4), ('6 images but 4 labels',)),
    ],
)
@pytest.mark.parametrize('prob', [0.0, 1.0])
def test_labels_that_do_not_fit(labels: Tensor, words: tuple[str, ...], prob: float) -> None:
    with pytest.raises(ValueError) as error:
        CutMix(num_classes=5, prob=prob)(torch.rand(6, 3, 8, 8), labels)
    assert all(word in str(error.value) for word in words) and '\n' not in str(error.value)


# ---------------------------------------------------------------------------------------------------- uint8 images


@mixers
def test_uint8_images_are_mixed_exactly_or_refused(row: Row, mode: str) -> None:
    images, scores = torch.randint(256, (N, 3, *row.image_size), dtype=torch.uint8), torch.eye(8)[:N]
    said = ''
    try:
        found = mixed(row, mode, images, scores)
    except TypeError as error:
        said = str(error)
    if said:
        assert 'floating point images can be mixed by this' in said and '\n' not in said
        return
    expected = mixed(row, mode, images.float(), scores)
    assert found[0].dtype == torch.uint8 and not torch.equal(found[0], images)
    assert torch.equal(found[0].float(), expected[0]) and torch.equal(found[1], expected[1])


def test_who_takes_uint8() -> None:
    keep = SelectiveCut(guide=SpectralResidual())
    takes = [CutMix(), FMix(), Cutout(length=4), Cutout(length=4, fill=127)]
    refuses = [Mixup(), FMix(max_soft=0.1), CutMix(keep=keep), Cutout(length=4, fill=0.5), Cutout(length=4, fill=-1)]
    images, scores = torch.randint(256, (N, 3, 8, 8), dtype=torch.uint8), torch.eye(N)
    for mixer in takes:
        assert mixer(images, scores)[0].dtype == torch.uint8
    for mixer in [*refuses, RandomErasing(prob=1.0)]:
        with pytest.raises(TypeError, match='floating point images can be mixed by this'):
            mixer(images, scores)


# ----------------------------------------------------------------------------------------------------------- clips


@mixers
def test_clips_are_mixed_frame_by_frame_or_refused(row: Row, mode: str) -> None:
    """Every frame is mixed as the same mixer mixes it alone, from the same seed."""
    clips, scores = torch.rand(N, 3, 4, *row.image_size), torch.eye(8)[:N]
    said = ''
    try:
        found = mixed(row, mode, clips, scores)
    except ValueError as error:
        said = str(error)
    if said:
        assert 'are clips' in said and '\n' not in said
        return
    if getattr(found[2], 'fill', 0) == 'random':
        pytest.skip('its noise is drawn for each frame')
    assert not torch.equal(found[0], clips) and found[0].shape == clips.shape
    for frame in range(4):
        expected = mixed(row, mode, clips[:, :, frame], scores)
        torch.testing.assert_close(found[0][:, :, frame], expected[0])
        torch.testing.assert_close(found[1], expected[1])


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_the_mask_of_clips(mode: str) -> None:
    mix = CutMix(lam_mode=mode).mix(torch.rand(N, 3, 4, 8, 6), torch.eye(N))
    assert mix.mask.shape == (N, 1, 4, 8, 6) and mix.pool.shape == (N, 3, 4, 8, 6)
    assert torch.equal(mix.mask[:, :, 0], mix.mask[:, :, 3])
    blended = mix.mask * mix.pool + (1 - mix.mask) * mix.pool[mix.partner]
    assert torch.equal(mix.images, blended)


def test_who_looks() -> None:
    assert not looks(CutMix()) and not looks(Mixup())
    assert looks(CutMix(labels=TransMix())) and looks(CutMix(keep=SelectiveCut(guide=InputGradient())))
