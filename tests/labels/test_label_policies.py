"""Label policies against slow references."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from networks import count_passes, data, hooks_in
from stories import SWIN, VIT, assert_labels, attention_by_sdpa, cell_shares, network, story
from torch import Tensor

from mmmix import (
    CutMix,
    LUMix,
    Mix,
    Mixup,
    TransMix,
)
from mmmix.labels.attention import attended_share


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_transmix(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(VIT, dict(type='mmmix.CutMix', lam_mode=mode, labels=dict(type='mmmix.TransMix')))
    mix, labels, losses = story(model, monkeypatch)
    paid = attention_by_sdpa(model, mix.images)[-1][:, 0, 1:].view(6, 4, 4)
    cells = cell_shares(mix, 4)
    shares = []
    for i in range(6):
        on_own = sum(float(paid[i, r, c] * cells[i, r, c]) for r in range(4) for c in range(4))
        shares.append((float(mix.mask[i].mean()) + on_own / float(paid[i].sum())) / 2)
    assert_labels(labels, shares, mix)
    assert float(losses['lam']) == pytest.approx(sum(shares) / 6, abs=1e-5)


def test_progressive_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    labels_cfg = dict(type='mmmix.ProgressiveAttention')
    model = network(VIT, dict(type='mmmix.CutMix', lam_mode='elem', labels=labels_cfg))
    mix, labels, _ = story(model, monkeypatch)
    paid = attention_by_sdpa(model, mix.images)[-1][:, 0, 1:].view(6, 4, 4)
    with torch.no_grad():
        predicted = model.head(model.extract_feat(mix.images)).softmax(1)
    cells, shares = cell_shares(mix, 4), []
    for i in range(6):
        attended = float((paid[i] * cells[i]).sum() / paid[i].sum())
        area_label = 0.9 * mix.scores[i] + 0.1 / 5
        s = float(area_label @ predicted[i] / (area_label.norm() * predicted[i].norm()))
        shares.append(s * attended + (1 - s) * float(mix.mask[i].mean()))
    assert_labels(labels, shares, mix)


def test_tl_align(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole label vectors on every token, carried through by hand."""
    model = network(VIT, dict(type='mmmix.CutMix', lam_mode='elem', labels=dict(type='mmmix.TLAlign')))
    mix, labels, _ = story(model, monkeypatch)
    attention, cells = attention_by_sdpa(model, mix.images), cell_shares(mix, 4).flatten(1)
    for i in range(6):
        own, other = torch.eye(5)[i % 5], torch.eye(5)[int(mix.partner[i]) % 5]
        area = mix.mask[i].mean()
        tokens = torch.stack([s * own + (1 - s) * other for s in [area, *cells[i]]])
        for block in attention:
            tokens = (tokens + block[i] @ tokens) / 2
        torch.testing.assert_close(labels[i], tokens[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize('policy', ['TransMix', 'ProgressiveAttention'])
def test_swin(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the policy heard is what the guide hears of the mixed images (the guide has a reference of its own)."""
    from mmmix.probes.attention import heard_attention

    model = network(SWIN, dict(type='mmmix.CutMix', lam_mode='elem', labels=dict(type=f'mmmix.{policy}')))
    mix, labels, _ = story(model, monkeypatch, size=64)
    with torch.no_grad(), heard_attention(model) as maps:
        predicted = model.head(model.extract_feat(mix.images)).softmax(1)
    attended = attended_share(mix.mask, maps(64, 64))
    area = mix.mask.mean((1, 2, 3))
    s = torch.full((6,), 0.5) if policy == 'TransMix' else F.cosine_similarity(predicted, 0.9 * mix.scores + 0.1 / 5)
    assert_labels(labels, (s * attended + (1 - s) * area).tolist(), mix)


def test_attention_on_one_image_only_is_all_or_nothing() -> None:
    mask, attention = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 4)
    mask[:, :, :, :4] = 1
    attention[0, :, :, :2] = 0.1
    attention[1, :, :, 2:] = 0.1
    assert attended_share(mask, attention).tolist() == [1.0, 0.0]
    assert attended_share(mask, torch.zeros(2, 1, 4, 4)).tolist() == [0.5, 0.5]
    assert TransMix(weight=0.0).own_share(mixed_half(), torch.tensor([1.0]), Tensor).tolist() == [0.5]


def mixed_half() -> Mix:
    images, mask = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    lam = torch.tensor([0.5])
    return Mix(images, torch.eye(2)[:1], images.clone(), torch.eye(2)[:1], torch.tensor([0]), mask, lam, 1 - lam)


def test_lumix_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    labels_cfg = dict(type='mmmix.LUMix', r_s=0.7, r_n=0.0)
    model = network(VIT, dict(type='mmmix.CutMix', lam_mode='elem', labels=labels_cfg))
    mix, labels, _ = story(model, monkeypatch)
    with torch.no_grad():
        p = model.head(model.extract_feat(mix.images)).softmax(1)
    shares = []
    for i in range(6):
        own, other = float(p[i, i % 5]), float(p[i, int(mix.partner[i]) % 5])
        area = float(mix.mask[i].mean())
        shares.append(area if bool((mix.mask[i] == 1).all()) else 0.3 * area + 0.7 * own / (own + other))
    assert_labels(labels, shares, mix)


def test_lumix_noise_and_the_unmixed() -> None:
    policy = LUMix(r_s=0.0, r_n=0.5, alpha=2.0)
    assert not policy.after_forward
    mix = Mixup(labels=policy, lam_mode='elem', prob=0.5).mix(torch.rand(4000, 1, 2, 2), torch.eye(4).repeat(1000, 1))
    area, unmixed = mix.mask.mean((1, 2, 3)), mix.mask.flatten(1).amin(1) == 1
    assert bool((mix.lam[unmixed] == 1).all()) and bool(unmixed.any())
    noise = (mix.lam - 0.5 * area)[~unmixed] / 0.5
    assert float(noise.min()) >= 0 and float(noise.max()) <= 1
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(noise.var()) == pytest.approx(1 / 20, abs=0.006)  # of Beta(2, 2)
    assert abs(float(torch.corrcoef(torch.stack([noise, area[~unmixed]]))[0, 1])) < 0.08


POLICIES = ['TransMix', 'ProgressiveAttention', 'TLAlign', 'LUMix']


@pytest.mark.parametrize('policy', POLICIES)
def test_nothing_is_left_behind_and_amp(policy: str) -> None:
    model = network(VIT, dict(type='mmmix.CutMix', labels=dict(type=f'mmmix.{policy}')))
    passes = count_passes(model)
    before = hooks_in(model)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    losses['loss'].backward()
    assert passes == [4], 'it reads what the mixed pass computes'
    assert hooks_in(model) == before and torch.isfinite(losses['loss']) and not losses['lam'].requires_grad

    def fail(*args: Any) -> None:
        raise RuntimeError('broken')

    model.backbone.layers[-1].register_forward_hook(fail)
    before = hooks_in(model)
    with pytest.raises(RuntimeError, match='broken'):
        model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
    assert hooks_in(model) == before


def test_compile() -> None:
    """Hooks come and go: the second step must hear its own."""
    augments = dict(type='mmmix.SMMix', patch_size=8, labels=dict(type='mmmix.TransMix'))
    plain, compiled = network(VIT, augments), network(VIT, augments)
    compiled.forward = torch.compile(compiled.forward, backend='eager')
    inputs, samples = torch.rand(4, 3, 32, 32), data(4)['data_samples']
    for seed in (2, 3):
        losses = []
        for model in (plain, compiled):
            torch.manual_seed(seed)
            losses.append(model(inputs, samples, mode='loss'))
        for key, value in losses[0].items():
            torch.testing.assert_close(losses[1][key], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('policy', POLICIES)
def test_sumix_is_given_the_shares_of_the_policy(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head = dict(type='mmmix.SUMixVisionTransformerClsHead', num_classes=5, in_channels=16)
    model = network({**VIT, 'head': head}, dict(type='mmmix.CutMix', labels=dict(type=f'mmmix.{policy}')))
    given: list[Mix] = []
    loss_mix = model.head.loss_mix

    def noted(feats: Any, mix: Mix, clean: Any) -> dict:
        given.append(mix)
        return loss_mix(feats, mix, clean)

    monkeypatch.setattr(model.head, 'loss_mix', noted)
    model.loss(torch.rand(6, 3, 32, 32), data()['data_samples'])
    mix = given[0]
    own = mix.pool_scores[:6] * mix.lam[:, None] + mix.pool_scores[mix.partner] * mix.lam_partner[:, None]
    torch.testing.assert_close(mix.scores, own)
    area = mix.mask.mean((1, 2, 3))
    assert not torch.allclose(mix.lam, area)


def test_the_stock_classifier_names_what_is_needed() -> None:
    with pytest.raises(RuntimeError, match=r'mmmix\.MixClassifier'):
        CutMix(labels=TransMix())(torch.rand(4, 3, 8, 8), torch.eye(4))
