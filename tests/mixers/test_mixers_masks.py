"""Mixers whose masks have any form, against NumPy and plain loops."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import ImageClassifier
from torch import Tensor

import mmmix
from mmmix.core import Guide
from mmmix.ops.maps import farthest_cycle, smoothed
from mmmix.ops.masks import low_frequency_field, top_share, two_columns_field

NET = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
)


class Given(Guide):
    """A guide that was told what to say: its maps are the first channel of the images."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return images[:, :1].float().abs()


# ----------------------------------------------------------------------------------------------------------------- FMix


def spectrum(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean power at each frequency of a stack of images, and the frequencies."""
    height, width = field.shape[1:]
    power = (np.abs(np.fft.fft2(field)) ** 2).mean(0)
    return power, np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])


@pytest.mark.parametrize('size', [(32, 32), (24, 40), (21, 33)])
def test_fmix_field_has_the_spectrum_of_the_paper(size: tuple[int, int]) -> None:
    """Power falls as ``f ** -6`` in every direction; the reference is NumPy's full transform."""
    torch.manual_seed(0)
    power, frequency = spectrum(low_frequency_field(3000, *size, 3.0, torch.device('cpu')).numpy().astype(np.float64))
    expected = np.maximum(frequency, 1 / max(size)) ** -6.0
    ratio = power / expected
    ratio = ratio.ravel()[1:]  # without the mean of the image, whose level a threshold does not see
    assert ratio.std() / ratio.mean() < 0.06


def test_fmix_masks_are_as_long_as_they_are_wide() -> None:
    """There are as many edges along rows as along columns."""
    images, scores = torch.rand(600, 1, 32, 32), torch.eye(600)
    mask = mmmix.FMix(alpha=8.0, lam_mode='elem').mix(images, scores).mask
    vertical = (mask[:, :, 1:] != mask[:, :, :-1]).float().mean()
    horizontal = (mask[..., 1:] != mask[..., :-1]).float().mean()
    assert 0.9 < float(vertical / horizontal) < 1.1
    assert float(vertical) < 0.15, 'low frequencies make few edges'


@pytest.mark.parametrize('size', [(16, 16), (12, 20), (15, 11)])
def test_fmix_two_columns_are_that_of_the_authors_rows_and_columns(size: tuple[int, int]) -> None:
    """Their noise has the axes (row, column, real or imaginary), and they index rows: in plain loops over draws."""
    height, width = size
    rng, fields = np.random.default_rng(0), []
    half = width // 2 + 1 + width % 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[:half])
    scale = 1 / np.maximum(frequency, 1 / max(size)) ** 3
    for _ in range(4000):
        noise = scale[:, :, None] * rng.standard_normal((height, half, 2))
        columns = np.fft.ifft(noise[0] + 1j * noise[1], n=height, axis=0)
        fields.append(np.fft.irfft(columns, n=width, axis=1))
    expected, _ = spectrum(np.array(fields))
    torch.manual_seed(0)
    found, _ = spectrum(two_columns_field(4000, *size, 3.0, torch.device('cpu')).double().numpy())
    assert found[:, 2:-1].max() < 1e-9 * found.max() and expected[:, 2:-1].max() < 1e-9 * expected.max()
    np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=0.2, atol=1e-6 * expected.max())


def test_fmix_of_two_columns_has_one_interval_a_row() -> None:
    images, scores = torch.rand(200, 1, 32, 32), torch.eye(200)
    changes = {}
    for spectrum_of in ('isotropic', 'two_columns'):
        mask = mmmix.FMix(alpha=8.0, lam_mode='elem', spectrum=spectrum_of).mix(images, scores).mask
        changes[spectrum_of] = (mask != mask.roll(1, 3)).sum(3)
    assert int(changes['two_columns'].max()) == 2 < int(changes['isotropic'].max())


def test_fmix_keeps_the_highest_pixels_and_counts_them_exactly() -> None:
    values, share = torch.rand(200, 77), torch.rand(200)
    share[:2] = torch.tensor([0.0, 1.0])
    values[50:] = (values[50:] * 5).round()  # many ties
    mask = top_share(values, share)
    count, exact = mask.sum(1).numpy(), share.double().numpy() * 77
    assert ((count == np.floor(exact)) | (count == np.ceil(exact))).all()
    assert 0.3 < (count == np.ceil(exact)).mean() < 0.7, 'floor or ceil is a toss'
    for row, kept in zip(values, mask, strict=True):
        if kept.any() and not kept.all():
            assert row[kept].min() >= row[~kept].max()


def test_fmix_soft_edge_is_a_ramp_over_ranks() -> None:
    values = torch.rand(50, 100)
    share = torch.linspace(0, 1, 50)
    mask = top_share(values, share, max_soft=0.2)
    exact = share.double() * 100
    assert ((mask.sum(1) - exact.floor()).abs().minimum((mask.sum(1) - exact.ceil()).abs()) < 1e-3).all()
    order = values.argsort(1, descending=True)
    ranked = mask.gather(1, order)
    assert (ranked[:, 1:] <= ranked[:, :-1]).all()
    middle = ranked[25]
    soft = ((middle > 0) & (middle < 1)).sum() + 2  # the ramp's ends are 1 and 0
    assert int(soft) == 40
    steps = middle[(middle > 0) & (middle < 1)].diff()
    torch.testing.assert_close(steps, torch.full_like(steps, -1 / 39), rtol=0, atol=1e-6)
    assert set(mask[0].tolist()) == {0.0} and set(mask[-1].tolist()) == {1.0}


# --------------------------------------------------------------------------------------- GridMix and SmoothMix


def test_gridmix_cells_are_whole_and_follow_the_share() -> None:
    images, scores = torch.rand(800, 1, 12, 9), torch.eye(800)
    mix = mmmix.GridMix(grid=3, lam_mode='elem', alpha=1.0).mix(images, scores)
    cells = mix.mask.unflatten(2, (3, 4)).unflatten(4, (3, 3))
    assert torch.equal(cells.amin((3, 5)), cells.amax((3, 5)))
    # Uniform shares and independent cells: the number of own cells is uniform over 0..9.
    counts = torch.bincount(cells.amin((3, 5)).sum((1, 2, 3)).long(), minlength=10).float() / 800
    assert float((counts - 0.1).abs().max()) < 0.05


def test_smoothmix_spot_is_the_papers_gaussian() -> None:
    """A fit of centre and width to the partner's share finds the same Gaussian everywhere, within the paper's range."""
    images, scores = torch.rand(20, 1, 30, 20), torch.eye(20)
    mix = mmmix.SmoothMix(lam_mode='elem').mix(images, scores)
    side = (30 * 20) ** 0.5
    y, x = np.mgrid[:30, :20] + 0.5
    design = np.stack([np.ones_like(y), y, x, y**2 + x**2], -1).reshape(-1, 4)
    for mask in mix.mask[:, 0].double().numpy():
        log_spot = np.log(np.maximum(1 - mask, 1e-12)).ravel()
        sure = log_spot > np.log(1e-3)
        (_, a, b, c), *_ = np.linalg.lstsq(design[sure], log_spot[sure], rcond=None)
        sigma, cy, cx = np.sqrt(-1 / (2 * c)), -a / (2 * c), -b / (2 * c)
        expected = 1 - np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
        np.testing.assert_allclose(mask, expected, atol=2e-3)
        assert 0.249 * side < sigma < 0.501 * side
        assert -0.1 < cy < 30.1 and -0.1 < cx < 20.1
    assert float((mix.lam - mix.mask.mean((1, 2, 3))).abs().max()) < 1e-6


# --------------------------------------------------------------------------------------------- AttentiveMix and Teacher


def test_attentivemix_keeps_the_best_cells() -> None:
    images = torch.rand(6, 3, 12, 16)
    mix = mmmix.AttentiveMix(guide=Given(), grid=4, top_k=6).mix(images, torch.eye(6))
    for image, mask in zip(images[:, 0], mix.mask[:, 0], strict=True):
        rated = [[float(image[y * 3 : y * 3 + 3, x * 4 : x * 4 + 4].mean()) for x in range(4)] for y in range(4)]
        kept = [[float(mask[y * 3, x * 4]) for x in range(4)] for y in range(4)]
        best = sorted((value for row in rated for value in row), reverse=True)[:6]
        assert [[float(value in best) for value in row] for row in rated] == kept
    torch.testing.assert_close(mix.lam, torch.full((6,), 6 / 16))


def test_attentivemix_draws_the_number_of_cells() -> None:
    mix = mmmix.AttentiveMix(guide=Given(), grid=4, lam_mode='elem').mix(torch.rand(500, 1, 8, 8), torch.eye(500))
    cells = mix.lam * 16
    torch.testing.assert_close(cells, cells.round())
    assert float(cells.min()) == 1 and float(cells.max()) >= 14


def test_teacher_says_what_its_network_sees_and_leaves_no_trace() -> None:
    guide = mmmix.Teacher(NET, checkpoint=False, size=32)
    mixer = mmmix.AttentiveMix(guide=guide, grid=4)
    assert not mixer.guide.needs_model
    before = copy.deepcopy(guide.network.state_dict())
    images = torch.rand(3, 3, 16, 16)
    maps = guide(images)
    with torch.no_grad():
        features = guide.network.extract_feat(F.interpolate(images, (32, 32), mode='bilinear'), stage='backbone')[-1]
    expected = features.mean(1, keepdim=True)
    expected = expected - expected.amin((2, 3), keepdim=True)
    assert features.shape[-1] == 4
    torch.testing.assert_close(maps, expected.repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert not guide.network.training and not any(p.requires_grad for p in guide.network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in guide.network.state_dict().items())
    assert copy.deepcopy(mixer).guide.network is guide.network, 'an EMA of the student must not copy the teacher'
    student = ImageClassifier(
        backbone=NET['backbone'],
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=64),
        train_cfg=dict(
            augments=dict(
                type='mmmix.AttentiveMix', grid=4, guide=dict(type='mmmix.Teacher', model=NET, checkpoint=False)
            )
        ),
    )
    plain = ImageClassifier(**{key: NET[key] for key in ('backbone',)})
    extra = [key for key in student.state_dict() if not key.startswith(('backbone.', 'head.'))]
    assert not extra and sum(key.startswith('backbone.') for key in student.state_dict()) == len(plain.state_dict())


def test_teacher_loads_a_checkpoint(tmp_path) -> None:
    torch.manual_seed(5)
    trained = mmmix.Teacher(NET, checkpoint=False, size=None)
    assert trained._network is None, 'a config is built without loading the teacher'
    torch.save({'state_dict': trained.network.state_dict()}, tmp_path / 'teacher.pth')
    images = torch.rand(2, 3, 32, 32)
    state = torch.get_rng_state()
    found = mmmix.Teacher(NET, checkpoint=str(tmp_path / 'teacher.pth'), size=None)(images)
    assert torch.equal(found, trained(images))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert not torch.equal(found, mmmix.Teacher(NET, checkpoint=False, size=None)(images))


def test_teacher_errors_name_the_fix() -> None:
    with pytest.raises(ValueError, match='set `checkpoint`'):
        mmmix.Teacher(NET)
    vit = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.VisionTransformer', arch='deit-t', img_size=32),
    )
    with pytest.raises(ValueError, match="out_type='featmap'"):
        mmmix.Teacher(vit, checkpoint=False, size=32)(torch.rand(1, 3, 32, 32))


# ------------------------------------------------------------------------------------ GuidedMixup and Saliency Grafting


def test_farthest_cycle_equals_a_plain_greedy_search() -> None:
    for n in (2, 3, 4, 9, 20):
        maps = torch.rand(n, 30)
        distance = [[float((a - b).norm()) for b in maps] for a in maps]
        pairs = [(distance[i][j], i, j) for i in range(n) for j in range(n) if i != j]
        _, start, row = max(pairs, key=lambda pair: pair[0])
        for start, row in ((start, row), (row, start)):  # noqa: B020 - both ends of the longest pair may come first
            expected, visited, at = {start: row}, {start}, row
            while len(visited) < n - 1:
                visited.add(at)
                following = max((j for j in range(n) if j not in visited), key=lambda j: distance[at][j])
                expected[at], at = following, following
            expected[at] = start
            if farthest_cycle(maps).tolist() == [expected[i] for i in range(n)]:
                break
        else:
            pytest.fail(f'no greedy cycle of {n}')


def test_smoothed_equals_torchvision() -> None:
    from torchvision.transforms.functional import gaussian_blur

    maps = torch.rand(3, 1, 16, 11)
    expected = gaussian_blur(maps, [7, 7], [3.0, 3.0])
    expected = expected / expected.sum((2, 3), keepdim=True)
    torch.testing.assert_close(smoothed(maps, 7, 3.0), expected, rtol=1e-4, atol=1e-7)
    assert smoothed(torch.rand(2, 1, 2, 3), 7, 3.0).shape == (2, 1, 2, 3)


def test_guidedmixup_shares_pixels_by_salience() -> None:
    images = torch.rand(6, 3, 10, 12)
    images[0, 0] = 0  # no salience at all
    mix = mmmix.GuidedMixup(guide=Given(), kernel=1).mix(images, torch.eye(6))
    for i in range(6):
        mine = images[i, 0] / images[i, 0].sum() if i else torch.full((10, 12), 1 / 120)
        j = int(mix.partner[i])
        theirs = images[j, 0] / images[j, 0].sum() if j else torch.full((10, 12), 1 / 120)
        torch.testing.assert_close(mix.mask[i, 0], mine / (mine + theirs), rtol=1e-5, atol=1e-6)
    assert sorted(mix.partner.tolist()) == list(range(6)) and not (mix.partner == torch.arange(6)).any()


def test_guidedmixup_default_is_the_authors_spectral_residual() -> None:
    """|F^-1(exp(log A - mean of log A) e^iP)|, blurred twice by 7 x 7 of sigma 3, each map divided by its sum."""
    from torchvision.transforms.functional import gaussian_blur

    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    maps = []
    for grey in images.mean(1).double().numpy():
        waves = np.fft.fft2(grey)
        height = np.log(np.abs(waves))
        padded = np.pad(height, 1, mode='edge')
        smooth = sum(padded[y : y + 32, x : x + 32] for y in range(3) for x in range(3)) / 9
        maps.append(np.abs(np.fft.ifft2(np.exp(height - smooth) * waves / np.abs(waves))))
    twice = torch.from_numpy(np.array(maps))[:, None]
    for _ in range(2):
        twice = gaussian_blur(twice, [7, 7], [3.0, 3.0])
    shares = (twice / twice.sum((2, 3), keepdim=True)).float()
    mix = mmmix.GuidedMixup().mix(images, torch.eye(4))
    expected = shares / (shares + shares[mix.partner])
    torch.testing.assert_close(mix.mask, expected, rtol=0, atol=1e-4)


def test_saliency_grafting_keeps_cells_by_salience_and_labels_what_is_left() -> None:
    cells = torch.tensor([[4.0, 1.0], [1.0, 2.0]])
    images = cells.repeat_interleave(3, 0).repeat_interleave(3, 1).expand(3000, 1, 6, 6).contiguous()
    mix = mmmix.SaliencyGrafting(guide=Given(), grid=2).mix(images, torch.eye(2).repeat(1500, 1))
    kept = mix.mask[:, 0, ::3, ::3]
    expected = torch.exp((cells - 4) / 2)  # maps of mean 1: cells / 2, relative to the best
    torch.testing.assert_close(kept.mean(0), expected, rtol=0, atol=0.03)
    share = cells / cells.sum()
    own, other = (share * kept).flatten(1).norm(dim=1), (share * (1 - kept)).flatten(1).norm(dim=1)
    torch.testing.assert_close(mix.lam, own / (own + other))
    assert float((kept[:, 0, 0] == 0).sum()) == 0
