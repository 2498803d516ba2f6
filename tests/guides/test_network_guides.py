"""Class activation and attention against slow references, on the networks that they claim to understand; no trace."""

import pytest
import torch
from guide_networks import RESNET, SWIN, VIT, mix_classifier, samples
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmmix import (
    Attention,
    ClassActivation,
    MixClassifier,
)
from mmmix.probes.modules import output_at, token_grid

# ------------------------------------------------------------------------------------------- activation and attention


def test_class_activation_averages_to_the_logit() -> None:
    """The mean of a class's map, before its minimum is taken off, is its logit without the bias."""
    model = ImageClassifier(**RESNET)
    model.init_weights()
    model.eval()
    guide = ClassActivation()
    guide.bind(model)
    images, scores = torch.rand(3, 3, 32, 32), torch.eye(10)[[1, 4, 9]]
    maps = output_at(model, 'backbone', images)[-1]
    raw = torch.stack(
        [sum(w * m for w, m in zip(model.head.fc.weight[c], maps[i], strict=True)) for i, c in enumerate((1, 4, 9))]
    )
    logits = model.head(model.extract_feat(images)) - model.head.fc.bias
    torch.testing.assert_close(raw.mean((1, 2)), logits[range(3), [1, 4, 9]], rtol=1e-3, atol=1e-4)
    shifted = (raw - raw.amin((1, 2), keepdim=True))[:, None]
    expected = torch.nn.functional.interpolate(shifted, (32, 32), mode='bilinear')
    torch.testing.assert_close(guide(images, scores), expected, rtol=1e-3, atol=1e-4)
    predicted = model.head(model.extract_feat(images)).argmax(1)
    torch.testing.assert_close(guide(images), guide(images, torch.eye(10)[predicted]), rtol=1e-3, atol=1e-4)


def test_class_activation_errors_name_the_argument() -> None:
    model = ImageClassifier(**RESNET)
    for args, names in (
        (dict(classifier='neck'), 'classifier'),
        (dict(at='backbone.layer1'), '`at`'),
        (dict(classifier='head.fd'), "no 'fd', only"),
    ):
        guide = ClassActivation(**args)
        guide.bind(model)
        with pytest.raises(ValueError, match=names):
            guide(torch.rand(1, 3, 32, 32), torch.eye(1, 10))


def test_class_activation_on_a_vit_says_what_to_name() -> None:
    """At build, before anything trains; and what the error says works."""
    augment = dict(type='mmmix.SnapMix')
    with pytest.raises(
        ValueError, match=r"`classifier`, here classifier='head\.layers\.head'.* at='backbone\.ln1'"
    ) as caught:
        MixClassifier(**VIT, train_cfg=dict(augments=augment))
    assert '\n' not in str(caught.value) and 'ClassActivation' in str(caught.value)
    named = dict(type='mmmix.ClassActivation', at='backbone.ln1', classifier='head.layers.head')
    model = MixClassifier(**VIT, train_cfg=dict(augments=dict(augment, guide=named)))
    losses = model.loss(torch.rand(4, 3, 32, 32), samples(4))
    assert bool(torch.isfinite(losses['loss']))
    # The class token alone is no map.
    model = MixClassifier(**VIT, train_cfg=dict(augments=dict(augment, guide=dict(named, at='backbone'))))
    with pytest.raises(ValueError, match=r"'backbone' gives neither.*`at`, in a ViT at='backbone\.ln1'"):
        model.loss(torch.rand(4, 3, 32, 32), samples(4))


def test_attention_of_a_vit_is_that_of_its_softmax() -> None:
    model = ImageClassifier(**VIT)
    model.init_weights()
    model.eval()
    layer = model.backbone.layers[2]
    given = []
    handle = layer.attn.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    images = torch.rand(2, 3, 32, 32)
    model.extract_feat(images)
    handle.remove()
    weight, bias = layer.attn.qkv.weight, layer.attn.qkv.bias
    expected = torch.zeros(2, 16)
    for i in range(2):
        for head in range(2):
            query = given[0][i] @ weight[head * 12 : head * 12 + 12].T + bias[head * 12 : head * 12 + 12]
            key = given[0][i] @ weight[24 + head * 12 : 36 + head * 12].T + bias[24 + head * 12 : 36 + head * 12]
            expected[i] += (query @ key.T / 12**0.5).softmax(-1)[0, 1:] / 2
    guide = Attention()
    guide.bind(model)
    found = torch.nn.functional.interpolate(expected.view(2, 1, 4, 4), (32, 32), mode='bilinear')
    torch.testing.assert_close(guide(images), found.detach(), rtol=1e-4, atol=1e-6)
    first = Attention(at='backbone.layers.0')
    first.bind(model)
    assert not torch.allclose(first(images), guide(images))


def test_attention_of_a_swin_comes_back_to_its_place() -> None:
    """Every window hands out as much attention as it has tokens; shifted windows come back to where they were taken."""
    model = ImageClassifier(**SWIN)
    model.init_weights()
    images = torch.rand(2, 3, 32, 32)
    for at, grid in (
        ('backbone.stages.0.blocks.0', 16),
        ('backbone.stages.0.blocks.1', 16),
        ('backbone.stages.1.blocks.-1', 8),
    ):
        guide = Attention(at)
        guide.bind(model)
        maps = guide(images)
        cells = maps.unfold(2, 32 // grid, 32 // grid).unfold(3, 32 // grid, 32 // grid).mean((4, 5))
        assert maps.shape == (2, 1, 32, 32)
        assert float(cells.mean()) == pytest.approx(1 / 16, rel=0.05)
    # A bias towards one key of each window, the first, shows at the corners of the shifted windows.
    block = model.backbone.stages[0].blocks[1].attn
    w_msa = block.w_msa
    original = w_msa.softmax
    w_msa.softmax = FirstKey()
    guide = Attention('backbone.stages.0.blocks.1')
    guide.bind(model)
    rated = guide(images)
    w_msa.softmax = original
    places = {divmod(int(p), 16) for p in torch.nn.functional.avg_pool2d(rated, 2)[0, 0].flatten().topk(16).indices}
    shift = block.shift_size
    assert places == {((4 * i + shift) % 16, (4 * j + shift) % 16) for i in range(4) for j in range(4)}


class FirstKey(nn.Module):
    """Attention that goes to the first key alone."""

    def forward(self, logits: Tensor) -> Tensor:
        out = torch.zeros_like(logits)
        out[..., 0] = 1
        return out


def test_attention_without_attention_names_another_guide() -> None:
    guide = Attention()
    guide.bind(ImageClassifier(**RESNET))
    with pytest.raises(ValueError, match='ClassActivation'):
        guide(torch.rand(1, 3, 32, 32))


def test_token_grids() -> None:
    assert token_grid(197, 224, 224) == (1, 14, 14)
    assert token_grid(196, 224, 224) == (0, 14, 14)
    assert token_grid(198, 224, 224) == (2, 14, 14)
    assert token_grid(1 + 8 * 12, 128, 192) == (1, 8, 12)
    assert token_grid(3, 16, 48) == (0, 1, 3)
    with pytest.raises(ValueError, match='no grid'):
        token_grid(24, 224, 224)
    with pytest.raises(ValueError, match='several grids'):
        token_grid(3, 40, 56)
    assert token_grid(3, 40, 56, 1) == (1, 1, 2) and token_grid(3, 40, 56, 2) == (2, 1, 1)


@pytest.mark.parametrize('extra', [0, 1, 2])
def test_token_grids_of_all_patches(extra: int) -> None:
    """Where the patch divides the sides nobody has to say how many tokens are in front; elsewhere the network does."""
    for patch in (1, 2, 3, 4, 7, 8, 14, 16):
        for rows in range(1, 9):
            for columns in range(1, 9):
                expected, sides = (extra, rows, columns), (rows * patch, columns * patch)
                assert token_grid(rows * columns + extra, *sides) == expected
                assert token_grid(rows * columns + extra, *sides, extra) == expected
                for more in {1, patch // 2, patch - 1} - {0, patch}:
                    # The border is cut off, or filled up.
                    assert token_grid(rows * columns + extra, *(side + more for side in sides), extra) == expected
                    if patch - more < patch:
                        assert token_grid(rows * columns + extra, *(side - more for side in sides), extra) == expected


def test_an_own_grid_is_what_the_map_of_pixels_is_made_of() -> None:
    for parts, shape in ((VIT, (4, 4)), (SWIN, (8, 8))):
        model = ImageClassifier(**parts)
        model.init_weights()
        guide = Attention()
        guide.bind(model)
        images = torch.rand(2, 3, 32, 32)
        grid = guide.grid(images)
        assert grid.shape[2:] == shape
        spread = torch.nn.functional.interpolate(grid, (32, 32), mode='bilinear')
        torch.testing.assert_close(guide(images), spread)


@pytest.mark.parametrize(
    ('parts', 'guide', 'width'),
    [
        (RESNET, dict(type='mmmix.InputGradient'), 64),
        (RESNET, dict(type='mmmix.ClassActivation'), 64),
        (SWIN, dict(type='mmmix.Attention'), 32),
    ],
)
def test_guide_and_head_share_one_clean_pass(parts: dict, guide: dict, width: int) -> None:
    head = dict(type='mmmix.SUMixHead', num_classes=10, in_channels=width, clean_pass='detached')
    augment = dict(type='mmmix.KeepCutMix', guide=guide, lam_mode='elem')
    model = MixClassifier(**{**parts, 'head': head}, train_cfg=dict(augments=augment)).train()
    passes = []
    model.backbone.register_forward_hook(lambda module, args, output: passes.append(module.training))
    model.loss(torch.rand(4, 3, 32, 32), samples(4))
    assert passes == [False, True]


# ------------------------------------------------------------------------------------------------------------ no trace


@pytest.mark.parametrize(
    ('parts', 'guide'),
    [
        (RESNET, dict(type='mmmix.InputGradient')),
        (RESNET, dict(type='mmmix.InputGradient', scale=0.5)),
        (RESNET, dict(type='mmmix.EarlyHead', scale=0.5)),
        (RESNET, dict(type='mmmix.ClassActivation')),
        (VIT, dict(type='mmmix.Attention')),
        (SWIN, dict(type='mmmix.Attention')),
    ],
    ids=lambda value: value.get('type') if 'type' in value else '',
)
def test_guides_leave_no_trace(parts: dict, guide: dict) -> None:
    model = mix_classifier(parts, guide).train()
    next(model.backbone.children()).eval()
    flags = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    maps = next(model.mixers()).guide(torch.rand(2, 3, 32, 32), torch.eye(2, 10))
    assert not maps.requires_grad and maps.dtype == torch.float32
    assert [module.training for module in model.modules()] == flags
    assert [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()] == hooks
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_low_precision_changes_no_map() -> None:
    model = mix_classifier(RESNET, dict(type='mmmix.InputGradient'))
    guide = next(model.mixers()).guide
    images, scores = torch.rand(2, 3, 32, 32), torch.eye(2, 10)
    plain = guide(images, scores)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(guide(images, scores), plain)
