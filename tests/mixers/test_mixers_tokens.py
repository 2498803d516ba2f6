"""TokenMix, MaskMix and SMMix against what they say."""

import pytest
import torch
import torch.nn.functional as F
from networks import classifier, count_passes, data
from stories import SWIN, VIT, assert_labels, cell_shares, network, story
from torch import Tensor

from mmmix import (
    Guide,
    MaskMix,
    SMMix,
    SpectralResidual,
    TokenMix,
)
from mmmix.ops.masks import token_blocks

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
    mixer = TokenMix(patch_size=4, guide=Peak(), lam_mode='elem')
    images = torch.rand(16, 3, 32, 24)
    mix = mixer.mix(images, torch.eye(16))
    for i in range(16):
        own_peak = int(images[i, 0].argmax())
        other_peak = int(images[int(mix.partner[i]), 0].argmax())
        own, other = float(mix.mask[i].flatten()[own_peak]), 1 - float(mix.mask[i].flatten()[other_peak])
        expected = own / (own + other) if own + other else float(mix.mask[i].mean())
        assert float(mix.lam[i]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('mode', ['batch', 'elem'])
def test_tokenmix_mixes_as_many_tokens_as_its_authors(mode: str) -> None:
    """Half of 14 x 14 tokens and 14 more, single tokens among them; the paper's half in larger blocks."""
    images, scores = torch.rand(64, 1, 56, 56), torch.eye(64)
    options = dict(patch_size=4, labels=dict(type='mmmix.Area'), lam_mode=mode)
    kept = TokenMix(**options).mix(images, scores).mask[:, 0, ::4, ::4].sum((1, 2))
    assert float(kept.min()) == 196 - 98 - 14 and float(kept.mean()) < 196 - 98 - 13
    paper = TokenMix(extra_tokens=0, min_tokens=14, **options).mix(images, scores).mask[:, 0, ::4, ::4]
    assert float(paper.sum((1, 2)).min()) == 98
    spared = TokenMix(prob=0.0, **options).mix(images, scores)
    assert bool((spared.mask == 1).all()), 'nothing is added where nothing is mixed'
    tiny = TokenMix(**options).mix(images[..., :8, :8], scores)
    assert bool((tiny.mask == 0).all()), 'no more than there are'


class Grid(Guide):
    """A guide with a grid of its own, whose map of pixels says something else."""

    def __init__(self, cells: Tensor):
        self.cells = cells

    def grid(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return self.cells[images[:, 0, 0, 0].long()]

    def __call__(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        raise AssertionError('a map of pixels blurs the grid')


@pytest.mark.parametrize('coarse', [4, 8])
def test_mixers_of_tokens_look_at_the_own_grid_of_the_guide(coarse: int) -> None:
    """The windows and the labels are those that the grid itself gives; a coarser one counts for the tokens in it."""
    cells = torch.rand(12, 1, coarse, coarse)
    images = torch.arange(12.0).view(12, 1, 1, 1).expand(12, 3, 32, 32).contiguous()
    tokens = cells.repeat_interleave(8 // coarse, 2).repeat_interleave(8 // coarse, 3)[:, 0]
    mix = SMMix(patch_size=4, guide=Grid(cells), lam_mode='elem').mix(images, torch.eye(12))
    for i in range(12):
        hole = 1 - mix.mask[i, 0, ::4, ::4]
        k = round(float(hole.sum()) ** 0.5)
        sums = F.avg_pool2d(tokens[i][None, None], k, stride=1).flatten()
        assert float((tokens[i] * hole).sum() / k**2) == pytest.approx(float(sums.min()), rel=1e-4)
    mix = TokenMix(patch_size=4, guide=Grid(cells), lam_mode='elem').mix(images, torch.eye(12))
    relative = tokens / tokens.sum((1, 2), keepdim=True)
    for i in range(12):
        kept = mix.mask[i, 0, ::4, ::4]
        own, other = float((relative[i] * kept).sum()), float((relative[int(mix.partner[i])] * (1 - kept)).sum())
        assert float(mix.lam[i]) == pytest.approx(own / (own + other), abs=1e-5)


def test_maskmix_cells() -> None:
    mix = MaskMix(mask_size=8, lam_mode='elem').mix(torch.rand(32, 1, 20, 16), torch.eye(32))
    cells = torch.stack([mix.mask[:, 0, r, c] for r in (0, 8, 16) for c in (0, 8)], 1)
    for r in range(20):
        for c in range(16):
            assert torch.equal(mix.mask[:, 0, r, c], cells[:, (r // 8) * 2 + c // 8])
    counts = cells.sum(1)
    assert len(counts.unique()) > 3 and float(counts.min()) >= 1, 'the count is rounded up'


def test_maskmix_cells_fit_the_image() -> None:
    """A quarter of the side unless told otherwise, and one line for cells that would never mix."""
    for height, width, cell in ((32, 32, 8), (224, 224, 56), (20, 32, 5)):
        mix = MaskMix(lam_mode='elem').mix(torch.rand(64, 1, height, width), torch.eye(64))
        cells = mix.mask[..., ::cell, ::cell].repeat_interleave(cell, 2).repeat_interleave(cell, 3)
        assert torch.equal(mix.mask, cells[..., :height, :width])
        assert 0.3 < float(mix.lam.mean()) < 0.7 and float(mix.lam.std()) > 0.2
    with pytest.raises(ValueError, match=r'one cell of 56 pixels covers images of 32 x 32.* at most 16'):
        MaskMix(mask_size=56).mix(torch.rand(4, 3, 32, 32), torch.eye(4))


def test_tokenmix_draws_its_share_or_fixes_it() -> None:
    with pytest.raises(ValueError, match=r'`alpha` is for a share that is drawn.*set share=None') as caught:
        TokenMix(alpha=2.0)
    assert '\n' not in str(caught.value)
    assert TokenMix(share=None).alpha == 1.0 and TokenMix(share=None, alpha=8.0).alpha == 8.0
    drawn = TokenMix(share=None, alpha=8.0, guide=SpectralResidual()).sample_share(2000, torch.device('cpu'))
    assert 0.1 < float(drawn.std()) < 0.14  # Beta(8, 8): 0.121
    assert float(TokenMix(guide=SpectralResidual()).sample_share(9, torch.device('cpu')).std()) == 0


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
            smoothed = 0.9 * torch.eye(5)[label] + 0.1 / 5
            token_total -= 0.5 * float(linear(mean).log_softmax(0) @ smoothed)
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


@pytest.mark.parametrize(('tokens', 'cfg'), [
    ('backbone.norm3', dict(type='mmpretrain.SwinTransformer', arch='tiny', img_size=224, drop_path_rate=0.2)),
    ('backbone.norm_after_stage3', dict(
        type='mmpretrain.PCPVT', arch='small', norm_after_stage=[False, False, False, True], drop_path_rate=0.1)),
])  # fmt: skip
def test_smmix_and_recursivemix_on_networks_as_they_come(tokens: str, cfg: dict) -> None:
    """A stock Swin takes no image smaller than its windows ask for; a PVT ends in tokens of 32 pixels."""
    width = 768 if 'norm3' in tokens else 512
    head = dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=width)
    parts = dict(backbone=cfg, neck=dict(type='mmpretrain.GlobalAveragePooling'), head=head)
    model = classifier(parts, dict(type='mmmix.SMMix', tokens=tokens))
    assert model.learned['smmix'].in_features == width
    classifier(parts, dict(type='mmmix.RecursiveMix', consistency=0.5))
    with torch.no_grad():
        losses = model.loss(torch.rand(2, 3, 224, 224), data(2)['data_samples'])
    assert float(losses['loss_tokens']) > 0 and float(losses['loss_consistency']) >= 0


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
