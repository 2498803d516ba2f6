"""Attention over merged tokens against loops, token by token, and where merging must change nothing."""

import pytest
import torch
import torch.nn.functional as F
from guide_networks import RESNET, SWIN, VIT, mix_classifier, samples
from mmpretrain.models import ImageClassifier
from torch import Tensor

from mmmix import Attention, MergedAttention, MergeMix, MixClassifier
from mmmix.ops.merging import merge, merge_targets


def model_of(**backbone: object) -> ImageClassifier:
    torch.manual_seed(0)
    model = ImageClassifier(**{**VIT, 'backbone': {**VIT['backbone'], **backbone}})
    model.init_weights()
    for p in model.backbone.layers.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model.eval()


def bound(model: ImageClassifier, merged: float) -> MergedAttention:
    guide = MergedAttention(merged=merged)
    guide.bind(model)
    return guide


def by_hand(model: ImageClassifier, image: Tensor, counts: list[int]) -> Tensor:
    """One image, one token and one pair at a time; ``counts`` are the pairs that each block merges."""
    network = model.backbone
    caught: list[Tensor] = []
    handle = network.layers[0].register_forward_pre_hook(lambda module, args: caught.append(args[0][0]))
    model.extract_feat(image[None])
    handle.remove()
    tokens, members = list(caught[0]), [[i] for i in range(len(caught[0]) - 1)]
    for layer, count in zip(network.layers, [*counts, 0], strict=True):
        sizes = torch.tensor([1.0, *(len(group) for group in members)])
        x = layer.ln1(torch.stack(tokens))
        projected = layer.attn.qkv(x).view(len(x), 3, 2, 12)
        seen, added = torch.zeros(len(x)), []
        for head in range(2):
            query, key, value = projected[:, :, head].unbind(1)
            powers = sizes * (query @ key.T / 12**0.5).exp()
            weights = powers / powers.sum(1, keepdim=True)
            seen += weights[0] / 2
            added.append(weights @ value)
        if layer is network.layers[-1]:
            break
        tokens = list(torch.stack(tokens) + layer.attn.proj(torch.cat(added, 1)))
        keys = projected[1:, 1].mean(1)
        pairs = []
        for source in range(1, len(members), 2):
            alike = [float(F.cosine_similarity(keys[source], keys[goal], 0)) for goal in range(0, len(members), 2)]
            best = max(alike)
            pairs.append((best, source, 2 * alike.index(best)))
        gone = {source: goal for _, source, goal in sorted(pairs, reverse=True)[:count]}
        patches, order = tokens[1:], [s for s in range(1, len(members), 2) if s not in gone]
        order += range(0, len(members), 2)
        merged, joined = [], []
        for kept in order:
            group = [kept, *(source for source, goal in gone.items() if goal == kept)]
            amount = [len(members[each]) for each in group]
            merged.append(sum(n * patches[each] for n, each in zip(amount, group, strict=True)) / sum(amount))
            joined.append([patch for each in group for patch in members[each]])
        tokens, members = [tokens[0], *merged], joined
        tokens = [layer.ffn(layer.ln2(token[None]), identity=token[None])[0] for token in tokens]
    paid = torch.zeros(sum(map(len, members)))
    for number, group in enumerate(members):
        for patch in group:
            paid[patch] = seen[1 + number] / len(group)
    return paid


@torch.no_grad()
@pytest.mark.parametrize(('merged', 'counts'), [(0.5, [4, 4]), (0.3, [2, 2]), (0.7, [5, 5])])
def test_it_is_the_loop_over_tokens(merged: float, counts: list[int]) -> None:
    model, images = model_of(), torch.randn(3, 3, 32, 32)
    found = bound(model, merged).grid(images)
    expected = torch.stack([by_hand(model, image, counts) for image in images]).view(3, 1, 4, 4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('kind', ['VisionTransformer', 'DistilledVisionTransformer'])
def test_without_merging_it_is_the_attention(kind: str) -> None:
    torch.manual_seed(0)
    head = dict(type='mmpretrain.VisionTransformerClsHead', num_classes=10, in_channels=24)
    head = dict(head, type='mmpretrain.DeiTClsHead') if kind.startswith('Distilled') else head
    model = ImageClassifier(backbone={**VIT['backbone'], 'type': f'mmpretrain.{kind}'}, head=head)
    plain = Attention()
    plain.bind(model)
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(bound(model, 0.0)(images), plain(images), rtol=1e-4, atol=1e-6)


def test_without_a_class_token_it_is_what_patches_pay() -> None:
    model = model_of(with_cls_token=False, out_type='avg_featmap')
    plain = Attention(of='patches')
    plain.bind(model)
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(bound(model, 0.0)(images), plain(images), rtol=1e-4, atol=1e-6)
    merged = bound(model, 0.5).grid(images)
    torch.testing.assert_close(merged.sum((1, 2, 3)), torch.ones(4))


def test_patches_that_are_equal_are_paid_as_if_unmerged() -> None:
    """Without position embeddings, an image of two kinds of patches: merging what is alike changes nothing."""
    model = model_of()
    torch.nn.init.zeros_(model.backbone.pos_embed)
    dark, bright = torch.randn(2, 2, 3, 8, 8).unbind(1)
    kinds = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]).view(4, 4)
    images = torch.zeros(2, 3, 32, 32)
    for row in range(4):
        for column in range(4):
            patch = bright if kinds[row, column] else dark
            images[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = patch
    plain = Attention()
    plain.bind(model)
    for merged in (0.25, 0.5):
        torch.testing.assert_close(bound(model, merged).grid(images), plain.grid(images), rtol=1e-4, atol=1e-6)


def test_targets_are_a_partition_and_sizes_add_up() -> None:
    features = torch.randn(5, 9, 4)
    for count in range(5):
        targets = merge_targets(features, count)
        assert all(set(row.tolist()) == set(range(9 - count)) for row in targets)
        tokens, sizes = merge(features, torch.ones(5, 9), targets, count)
        torch.testing.assert_close((tokens * sizes[..., None]).sum(1), features.sum(1))
        assert bool((sizes.sum(1) == 9).all())


def test_it_leaves_no_trace_and_asks_no_other_network() -> None:
    model = mix_classifier(VIT, dict(type='mmmix.MergedAttention', merged=0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = model.train().loss(torch.rand(4, 3, 32, 32), samples(4))
    assert bool(torch.isfinite(losses['loss']))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.backbone.modules())
    for parts in (SWIN, RESNET):
        with pytest.raises(ValueError, match=r"How to merge tokens in .*dict\(type='mmmix.Attention'\)"):
            mix_classifier(parts, dict(type='mmmix.MergedAttention'))


class Given(Attention):
    """A map that is given."""

    needs_model = False

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def grid(self, images: Tensor, scores: Tensor | None = None) -> Tensor:
        return self.maps


def test_mergemix_keeps_the_patches_rated_highest() -> None:
    maps = torch.rand(8, 1, 4, 4)
    mixer = MergeMix(patch_size=8, guide=Given(maps), lam_mode='elem')
    images = torch.stack([torch.full((3, 32, 32), float(i)) for i in range(8)])
    mix = mixer.mix(images, torch.eye(8))
    for i in range(8):
        stays = mix.mask[i, 0, ::8, ::8].bool()
        count = int(stays.sum())
        assert count == 0 or count == 16 or float(maps[i, 0][stays].min()) > float(maps[i, 0][~stays].max())
        assert float(mix.lam[i]) == pytest.approx(count / 16)
        if int(mix.partner[i]) != i:
            assert float((mix.images[i] == i).float().mean()) == pytest.approx(count / 16)


def test_mergemix_trains_a_vit_by_its_own_attention() -> None:
    model = MixClassifier(**VIT, train_cfg=dict(augments=[dict(type='mmmix.MergeMix', patch_size=8)]))
    losses = model.train().loss(torch.rand(4, 3, 32, 32), samples(4))
    losses['loss'].backward()
    assert bool(torch.isfinite(losses['loss']))
