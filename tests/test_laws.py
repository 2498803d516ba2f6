"""The laws of DESIGN, each over the whole table of mixers."""

import pytest
import torch
from table import CASES, IDS, TABLE, Row, TinyNet
from torch import Tensor

from mmmix import Mix, Mixer, Partners
from mmmix.core import Part, Preserving

mixers = pytest.mark.parametrize(('row', 'mode'), CASES, ids=IDS)
N, C = 8, 3


def batch(row: Row, n: int = N, channels: int = C, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Random images and one-hot labels, label ``i`` for image ``i``."""
    return torch.rand(n, channels, *row.image_size).to(dtype), torch.eye(n, 8)


def truth(row: Row) -> tuple[Tensor, Tensor]:
    """Image ``i`` is constant and one-hot in channel space, with label ``i``: its channel means are its label."""
    eye = torch.eye(N)
    return eye[:, :, None, None].expand(-1, -1, *row.image_size).contiguous(), eye


# ------------------------------------------------------------------------------------------ 1. labels tell the truth


@mixers
def test_channel_means_equal_the_scores(row: Row, mode: str) -> None:
    images, scores = truth(row)
    if isinstance(row.build(), Preserving) or not row.area_label:
        pytest.skip('its labels do not follow the area')
    for seed in range(20):
        torch.manual_seed(seed)
        mix = row.build(lam_mode=mode).mix(images, scores)
        torch.testing.assert_close(mix.images.mean((2, 3)), mix.scores, rtol=0, atol=2e-6)
        # The labels of an inverted mask would be those of the partner: the own share must sit at the own label.
        own = mix.scores.gather(1, torch.arange(N)[:, None]).squeeze(1)
        own_expected = torch.where(mix.partner == torch.arange(N), 1.0, mix.lam)
        torch.testing.assert_close(own, own_expected, rtol=0, atol=2e-6)


@mixers
def test_ones_mixed_with_zeros_equal_the_mask(row: Row, mode: str) -> None:
    mixer = row.build(lam_mode=mode)
    if isinstance(mixer, Preserving) or not row.pair_label or not row.blends:
        pytest.skip('it has no partner, or several, or does not blend')
    images, scores = torch.ones(N, C, *row.image_size), torch.eye(N)
    pool = torch.cat([images, torch.zeros_like(images)])
    partner = N + torch.randperm(N)

    class Zeros(Partners):
        def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return pool, torch.cat([scores, scores]), partner

    mixer.partners = Zeros()
    for seed in range(5):
        torch.manual_seed(seed)
        mix = mixer.mix(images, scores)
        assert torch.equal(mix.images, mix.mask.expand_as(mix.images))
        assert mix.mask.shape == (N, 1, *row.image_size)
        assert float(mix.mask.min()) >= 0 and float(mix.mask.max()) <= 1
        if row.area_label:
            torch.testing.assert_close(mix.lam, mix.mask.mean((1, 2, 3)), rtol=0, atol=1e-6)


@mixers
def test_soft_labels_mix_as_hard_ones_do(row: Row, mode: str) -> None:
    if not row.pair_label:
        pytest.skip('its labels are made of more than two')
    images, _ = batch(row)
    scores = torch.rand(N, 8).softmax(1)
    mix = row.build(lam_mode=mode).mix(images, scores)
    expected = mix.lam[:, None] * scores + mix.lam_partner[:, None] * mix.pool_scores[mix.partner]
    torch.testing.assert_close(mix.scores, expected)


# --------------------------------------------------------------------------------- 2. the contract, and clean inputs


@mixers
def test_contract_and_inputs_stay(row: Row, mode: str) -> None:
    images, scores = batch(row)
    before = images.clone(), scores.clone()
    mixer = row.build(lam_mode=mode)
    out = mixer(images, scores)
    assert isinstance(out, tuple) and len(out) == 2
    assert out[0].shape == images.shape and out[0].dtype == images.dtype
    assert out[1].shape == scores.shape and out[1].dtype == scores.dtype
    mix = mixer.mix(images, scores)
    assert isinstance(mix, Mix)
    assert torch.equal(mix.pool[:N], images)
    assert mix.partner.shape == (N,) and mix.lam.shape == (N,) and mix.lam_partner.shape == (N,)
    assert mix.lam.dtype == torch.float32 and mix.mask.dtype == torch.float32
    assert torch.equal(images, before[0]) and torch.equal(scores, before[1])
    out[0].zero_()
    assert torch.equal(images, before[0]), 'the output shares memory with the input'


# -------------------------------------------------------------------------------------- 3. shapes, dtypes and layouts


@mixers
@pytest.mark.parametrize('n', [1, 2, 5])
def test_any_batch_size(row: Row, mode: str, n: int) -> None:
    images, scores = batch(row, n)
    mixed, mixed_scores = row.build(lam_mode=mode)(images, scores)
    if n == 1 and not isinstance(row.build(), Preserving):
        assert torch.equal(mixed, images) and torch.equal(mixed_scores, scores)
    assert torch.isfinite(mixed).all()
    if row.sums_to_one:
        torch.testing.assert_close(mixed_scores.sum(1), torch.ones(n))


@mixers
@pytest.mark.parametrize('channels', [1, 4])
def test_any_channels_and_layout(row: Row, mode: str, channels: int) -> None:
    images, scores = batch(row, channels=channels)
    images = images.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(0)
    last = row.build(lam_mode=mode)(images, scores)
    torch.manual_seed(0)
    first = row.build(lam_mode=mode)(images.contiguous(), scores)
    torch.testing.assert_close(last[0], first[0], rtol=1e-4, atol=1e-4)
    if channels > 1:
        assert last[0].is_contiguous(memory_format=torch.channels_last)


@mixers
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(row: Row, mode: str, dtype: torch.dtype) -> None:
    images, scores = truth(row)
    mixer = row.build(lam_mode=mode)
    mix = mixer.mix(images.to(dtype), scores)
    assert mix.images.dtype == dtype and mix.lam.dtype == torch.float32
    if row.area_label and not isinstance(mixer, Preserving):
        torch.testing.assert_close(mix.images.float().mean((2, 3)), mix.scores, rtol=0, atol=2 * torch.finfo(dtype).eps)


@mixers
def test_autocast_changes_nothing(row: Row, mode: str) -> None:
    if type(row.build()).begin_step is not Part.begin_step:
        pytest.skip('the teacher that it looks with is autocast as the network is')
    images, scores = batch(row)
    torch.manual_seed(0)
    plain = row.build(lam_mode=mode).mix(images, scores)
    torch.manual_seed(0)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = row.build(lam_mode=mode).mix(images, scores)
    assert torch.equal(plain.mask, cast.mask) and torch.equal(plain.lam, cast.lam)
    assert torch.equal(plain.images, cast.images)


# --------------------------------------------------------------------------------------------- 4. randomness and hosts


@mixers
def test_seed_decides(row: Row, mode: str) -> None:
    images, scores = batch(row)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        mixer = row.build(lam_mode=mode)
        drawn.append(torch.cat([mixer(images, scores)[0] for _ in range(3)]))
    assert torch.equal(drawn[0], drawn[1])
    assert not row.random or not torch.equal(drawn[0], drawn[2])


# ---------------------------------------------------------------------------------------------------- 5. no parameters


@mixers
def test_no_parameters_and_no_trace(row: Row, mode: str) -> None:
    if row.build().learns is not None:
        pytest.skip('it learns; tests/mixers/test_automix.py says that the student is left alone')
    images, scores = batch(row)
    mixer = row.build(lam_mode=mode)
    net = TinyNet().train()
    net.norm.eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    mixer.bind(net)
    mix = mixer.mix(images, scores)
    assert not mix.images.requires_grad and not mix.scores.requires_grad
    assert net.training and net.conv.training and not net.norm.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


# ------------------------------------------------------------------------------------------------- 6. the scalar law


def test_keep_moves_a_cut_and_never_resizes_it() -> None:
    """The label shares of CutMix with a keep follow the law of CutMix without one (two-sample Kolmogorov-Smirnov)."""
    from scipy.stats import ks_2samp

    images = torch.rand(512, 1, 16, 12)
    images[:, :, 4:12, 3:9] *= 20
    scores = torch.eye(8).repeat(64, 1)
    keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'), tau=0.3)
    shares = []
    for args in (dict(), dict(keep=keep)):
        torch.manual_seed(3)
        mixer = Row('CutMix', args).build(lam_mode='elem')
        shares.append(torch.cat([mixer.mix(images, scores).lam for _ in range(4)]).numpy())
    assert ks_2samp(*shares).pvalue > 0.01


# -------------------------------------------------------------------------------------------------------- 7. lam_mode


@mixers
def test_prob(row: Row, mode: str) -> None:
    images, scores = batch(row)
    never = row.build(lam_mode=mode, prob=0.0).mix(images, scores)
    assert torch.equal(never.images, images) and torch.equal(never.scores, scores)
    assert torch.equal(never.lam, torch.ones(N)) and torch.equal(never.lam_partner, torch.zeros(N))
    torch.manual_seed(0)
    mixer = row.build(lam_mode=mode, prob=0.5)
    mixes = [mixer.mix(images, scores) for _ in range(60)]
    if row.blends:
        unmixed = torch.stack([mix.mask.flatten(1).amin(1) == 1 for mix in mixes]).float()
    else:
        unmixed = torch.stack([(mix.images == images).flatten(1).all(1) for mix in mixes]).float()
    assert 0.3 < float(unmixed.mean()) < 0.75
    whole_batches = (unmixed.mean(1) == 0) | (unmixed.mean(1) == 1)
    if mode == 'elem':
        assert not whole_batches.all(), "prob must be per sample with 'elem'"


@pytest.mark.parametrize('row', TABLE, ids=str)
def test_every_mixer_is_a_mixer(row: Row) -> None:
    mixer = row.build()
    assert isinstance(mixer, Mixer)
    assert row.name in repr(mixer)
    assert row.name in (type(mixer).__doc__ or '') and 'Example:' in (type(mixer).__doc__ or '')
