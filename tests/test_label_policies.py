"""Attention and label policies against slow references, and DecoupledMixLoss."""

from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from test_features import hooks_in
from test_mix_classifier import DEIT, RESNET, SUMIX, classifier, count_passes, data
from test_mix_classifier import SWIN as RANDOM_DEPTH_SWIN
from torch import Tensor

from mmmix import (
    CutMix,
    DecoupledMixLoss,
    Guide,
    LUMix,
    MaskMix,
    Mix,
    Mixup,
    SMMix,
    SpectralResidual,
    TokenMix,
    TransMix,
)
from mmmix.labels import attended_share
from mmmix.mixers.tokenmix import token_blocks

#: A ViT whose head tells classes apart, so that predictions matter.
VIT: dict[str, Any] = {**DEIT}
VIT['head'] = {**VIT['head'], 'init_cfg': dict(type='Normal', layer='Linear', std=1.0)}

SWIN: dict[str, Any] = {**RANDOM_DEPTH_SWIN}
SWIN['backbone'] = {**SWIN['backbone'], 'drop_path_rate': 0.0}


def network(cfg: dict[str, Any], augments: Any) -> Any:
    torch.manual_seed(1)
    model = classifier(cfg, augments)
    model.init_weights()
    return model


def story(model: Any, monkeypatch: pytest.MonkeyPatch, size: int = 32) -> tuple[Mix, Tensor, dict]:
    """The mix that went into the network, the labels that the head was given, and the losses of a step."""
    mixer = next(model.mixers())
    mixes: list[Mix] = []
    labels: list[Tensor] = []
    original, head_loss = mixer.mix, model.head.loss

    def mix(*args: Tensor) -> Mix:
        mixes.append(original(*args))
        return mixes[-1]

    def loss(feats: Any, samples: Any) -> dict:
        labels.extend(sample.gt_score for sample in samples)
        return head_loss(feats, samples)

    monkeypatch.setattr(mixer, 'mix', mix)
    monkeypatch.setattr(model.head, 'loss', loss)
    losses = model.loss(torch.rand(6, 3, size, size), data()['data_samples'])
    return mixes[0], torch.stack(labels), losses


def attention_by_sdpa(model: Any, images: Tensor) -> list[Tensor]:
    """The attention of each block, ``(N, L, L)``: what torch's own attention makes of the unit matrix as values."""
    found: list[Tensor] = []
    handles = []
    for layer in model.backbone.layers:

        def hear(module: Any, args: tuple) -> None:
            n, count, _ = args[0].shape
            qkv = module.qkv(args[0]).view(n, count, 3, module.num_heads, module.head_dims)
            q, k, _ = (part.transpose(1, 2) for part in qkv.unbind(2))
            unit = torch.eye(count).expand(n, module.num_heads, -1, -1)
            found.append(F.scaled_dot_product_attention(q, k, unit).mean(1))

        handles.append(layer.attn.register_forward_pre_hook(hear))
    with torch.no_grad():
        model.backbone(images)
    for handle in handles:
        handle.remove()
    return found


def cell_shares(mix: Mix, grid: int) -> Tensor:
    """The own share of each token, ``(N, grid, grid)``, counted pixel by pixel."""
    side = mix.mask.shape[-1] // grid
    shares = torch.zeros(len(mix.mask), grid, grid)
    for i in range(len(mix.mask)):
        for r in range(grid):
            for c in range(grid):
                shares[i, r, c] = mix.mask[i, 0, r * side : (r + 1) * side, c * side : (c + 1) * side].mean()
    return shares


def assert_labels(labels: Tensor, own_share: list[float], mix: Mix) -> None:
    for i, share in enumerate(own_share):
        expected = torch.zeros(5)
        expected[i % 5] += share
        expected[int(mix.partner[i]) % 5] += 1 - share
        torch.testing.assert_close(labels[i], expected, rtol=0, atol=1e-5)


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
        area_label = mix.scores[i]
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
    from mmmix.guides.attention_maps import find_attention, heard_attention

    model = network(SWIN, dict(type='mmmix.CutMix', lam_mode='elem', labels=dict(type=f'mmmix.{policy}')))
    mix, labels, _ = story(model, monkeypatch, size=64)
    with torch.no_grad(), heard_attention(find_attention(model)) as maps:
        predicted = model.head(model.extract_feat(mix.images)).softmax(1)
    attended = attended_share(mix.mask, maps(64, 64))
    area = mix.mask.mean((1, 2, 3))
    s = torch.full((6,), 0.5) if policy == 'TransMix' else F.cosine_similarity(predicted, mix.scores)
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


# ------------------------------------------------------------------------------------------------ TokenMix and MaskMix


@pytest.mark.parametrize('grid', [(14, 14), (7, 10), (2, 2)])
def test_token_blocks_take_what_is_wanted(grid: tuple[int, int]) -> None:
    share = torch.rand(64)
    kept = token_blocks(share, *grid, min_tokens=6, ratio=0.3)
    gone = (~kept).sum((1, 2))
    wanted = ((1 - share.double()) * grid[0] * grid[1]).floor()
    assert bool((gone <= wanted).all())
    assert float((wanted - gone).mean()) < 0.05 * grid[0] * grid[1]
    whole = token_blocks(torch.tensor([0.0, 1.0]), 3, 3, 9, 1.0)
    assert int(whole[0].sum()) == 0 and bool(whole[1].all())


def test_token_blocks_are_blocks() -> None:
    """With one block wanted at once there is one rectangle, whose sides keep to the ratio."""
    kept = token_blocks(torch.full((400,), 0.9), 20, 20, min_tokens=40, ratio=0.3)
    alone = 0
    for grid in ~kept:
        rows, columns = grid.any(1).nonzero(), grid.any(0).nonzero()
        height, width = (int(edge.max() - edge.min()) + 1 for edge in (rows, columns))
        if int(grid.sum()) == height * width and height * width > 30:
            alone += 1
            assert 0.2 < height / width < 5
    assert alone > 200


class Peak(Guide):
    """All importance is in one pixel: the brightest of the first channel."""

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        flat = torch.zeros_like(images[:, :1]).flatten(1)
        return flat.scatter(1, images[:, 0].flatten(1).argmax(1, keepdim=True), 1.0).view_as(images[:, :1])


def test_tokenmix_labels_follow_what_matters() -> None:
    mixer = TokenMix(patch_size=4, min_tokens=3, guide=Peak(), lam_mode='elem')
    images = torch.rand(16, 3, 32, 24)
    mix = mixer.mix(images, torch.eye(16))
    for i in range(16):
        own_peak = int(images[i, 0].argmax())
        other_peak = int(images[int(mix.partner[i]), 0].argmax())
        own, other = float(mix.mask[i].flatten()[own_peak]), 1 - float(mix.mask[i].flatten()[other_peak])
        expected = own / (own + other) if own + other else float(mix.mask[i].mean())
        assert float(mix.lam[i]) == pytest.approx(expected, abs=1e-6)


def test_maskmix_cells() -> None:
    mix = MaskMix(mask_size=8, lam_mode='elem').mix(torch.rand(32, 1, 20, 16), torch.eye(32))
    cells = torch.stack([mix.mask[:, 0, r, c] for r in (0, 8, 16) for c in (0, 8)], 1)
    for r in range(20):
        for c in range(16):
            assert torch.equal(mix.mask[:, 0, r, c], cells[:, (r // 8) * 2 + c // 8])
    counts = cells.sum(1)
    assert len(counts.unique()) > 3 and float(counts.min()) >= 1, 'the count is rounded up'


# --------------------------------------------------------------------------------------------------------------- SMMix


def test_smmix_moves_the_best_window_to_the_worst_place() -> None:
    """All windows are tried by hand."""
    guide = SpectralResidual()
    mixer = SMMix(patch_size=4, guide=guide, lam_mode='elem')
    images = torch.rand(8, 3, 32, 32)
    mix = mixer.mix(images, torch.eye(8))
    cells = F.avg_pool2d(guide(images), 4)[:, 0]
    for i in range(8):
        k = round(float(1 - mix.lam[i]) ** 0.5 * 8)
        assert 2 <= k <= 6 and float(1 - mix.lam[i]) == pytest.approx(k * k / 64)
        p = int(mix.partner[i])
        windows = [(r, c) for r in range(9 - k) for c in range(9 - k)]
        worst = min(windows, key=lambda w: float(cells[i, w[0] : w[0] + k, w[1] : w[1] + k].double().sum()))
        best = max(windows, key=lambda w: float(cells[p, w[0] : w[0] + k, w[1] : w[1] + k].double().sum()))
        expected = images[i].clone()
        expected[:, worst[0] * 4 : (worst[0] + k) * 4, worst[1] * 4 : (worst[1] + k) * 4] = images[
            p, :, best[0] * 4 : (best[0] + k) * 4, best[1] * 4 : (best[1] + k) * 4
        ]
        torch.testing.assert_close(mix.images[i], expected, rtol=0, atol=1e-6)


def test_smmix_losses_and_one_clean_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(VIT, dict(type='mmmix.SMMix', patch_size=8))
    passes = count_passes(model)
    images = []
    model.backbone.register_forward_pre_hook(lambda m, args: images.append(args[0]))
    mix, labels, losses = story(model, monkeypatch)
    assert passes == [6, 6], 'attention and clean logits come from one pass'
    clean = images[0]
    with torch.no_grad():
        raw: list[Tensor] = []
        handle = model.backbone.ln1.register_forward_hook(lambda m, args, out: raw.append(out))
        logits = model.head(model.extract_feat(mix.images))
        handle.remove()
        clean_logits = model.head(model.extract_feat(clean))
    linear, tokens, cells = model.learned['smmix'], raw[0][:, 1:], cell_shares(mix, 4).flatten(1)
    token_total, kl = 0.0, 0.0
    for i in range(6):
        p = int(mix.partner[i])
        for weight, label in ((cells[i], i % 5), (1 - cells[i], p % 5)):
            mean = sum(w * t for w, t in zip(weight, tokens[i], strict=True)) / weight.sum()
            token_total -= 0.5 * float(linear(mean).log_softmax(0)[label])
        lam = float(mix.lam[i])
        target = (lam * clean_logits[i] + (1 - lam) * clean_logits[p]).softmax(0)
        kl += float((target * (target.log() - logits[i].log_softmax(0))).sum())
    assert float(losses['loss_tokens']) == pytest.approx(token_total / 6, abs=1e-4)
    assert float(losses['loss_consistency']) == pytest.approx(kl / 6, abs=1e-4)
    assert kl > 0.01
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert linear.weight.grad is not None and float(linear.weight.grad.abs().sum()) > 0
    assert_labels(labels, mix.lam.tolist(), mix)


def test_smmix_learns_only_from_its_own_mixes_but_stays_in_the_graph() -> None:
    model = network(VIT, [dict(type='mmmix.SMMix', patch_size=8, prob=0.0), dict(type='mmmix.CutMix')])
    for _ in range(4):
        losses = model.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])
        assert float(losses['loss_tokens']) == 0 and 'loss_consistency' not in losses
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        assert all(p.grad is not None for p in model.parameters())


def test_smmix_on_swin_and_without_losses() -> None:
    model = classifier(SWIN, dict(type='mmmix.SMMix', patch_size=8, tokens='backbone.norm3'))
    losses = model.loss(torch.rand(4, 3, 64, 64), data(4)['data_samples'])
    assert {'loss_tokens', 'loss_consistency'} <= set(losses)
    bare = classifier(VIT, dict(type='mmmix.SMMix', patch_size=8, token_weight=0, consistency_weight=0))
    assert not len(bare.learned) and set(bare.loss(torch.rand(4, 3, 32, 32), data(4)['data_samples'])) == {
        'loss',
        'mix_acc',
        'lam',
        'mixed',
    }


# ---------------------------------------------------------------------------------------------------- DecoupledMixLoss


@pytest.mark.parametrize('weighted', [False, True])
def test_decoupled_mix_loss_against_loops(weighted: bool) -> None:
    logits = 3 * torch.randn(5, 7)
    pairs = [(0, 1, 0.7), (2, 5, 0.5), (6, 3, 0.2), (4, 4, 0.6), (1, 2, 1.0)]
    scores = torch.stack([lam * torch.eye(7)[a] + (1 - lam) * torch.eye(7)[b] for a, b, lam in pairs])
    expected = []
    for z, (a, b, lam) in zip(logits.double(), pairs, strict=True):
        loss = -lam * z.log_softmax(0)[a] - (1 - lam) * z.log_softmax(0)[b]
        if a != b and lam < 1:
            e = z.exp()
            part_a, part_b = -(e[a] / (e.sum() - e[b])).log(), -(e[b] / (e.sum() - e[a])).log()
            loss = loss + 0.3 * (lam * part_a + (1 - lam) * part_b if weighted else part_a + part_b)
        expected.append(float(loss))
    found = DecoupledMixLoss(eta=0.3, weighted=weighted, reduction='none')(logits, scores)
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    mean = DecoupledMixLoss(eta=0.3, weighted=weighted, loss_weight=2.0)(logits, scores, avg_factor=10)
    assert float(mean) == pytest.approx(2 * sum(expected) / 10, rel=1e-5)


def test_decoupled_mix_loss_and_smoothed_or_whole_labels() -> None:
    logits = torch.randn(4, 6, requires_grad=True)
    labels = torch.tensor([0, 3, 5, 1])
    loss = DecoupledMixLoss(eta=0.5)
    torch.testing.assert_close(loss(logits, labels), F.cross_entropy(logits, labels))
    smooth = F.one_hot(labels, 6) * 0.9 + 0.1 / 6
    torch.testing.assert_close(loss(logits, smooth), F.cross_entropy(logits, smooth))
    loss(logits, F.one_hot(labels, 6) * 0.6 + F.one_hot(labels.flip(0), 6) * 0.4).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize('kind', ['ImageClassifier', 'mmmix.MixClassifier'])
def test_decoupled_mix_loss_under_stock_heads(kind: str) -> None:
    stock: dict[str, Any] = RESNET
    head = {**stock['head'], 'loss': dict(type='mmmix.DecoupledMixLoss', eta=0.2)}
    train_cfg = dict(augments=dict(type='mmmix.CutMix', lam_mode='elem'))
    cfg = dict(RESNET, type=kind, head=head, train_cfg=train_cfg, data_preprocessor=dict(num_classes=5))
    model = MODELS.build(deepcopy(cfg))
    losses = model(**model.data_preprocessor(data(), training=True), mode='loss')
    losses['loss'].backward()
    assert float(losses['loss'].detach()) > 0


def test_sumix_refuses_it() -> None:
    learned: dict[str, Any] = SUMIX
    with pytest.raises(ValueError) as caught:
        classifier({**learned, 'head': {**learned['head'], 'loss': dict(type='mmmix.DecoupledMixLoss')}})
    assert 'DecoupledMixLoss' in str(caught.value) and '\n' not in str(caught.value)
