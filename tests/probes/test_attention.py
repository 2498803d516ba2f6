"""Attention as networks work it out: what is heard against what they do, and by name what is not known."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from attention_networks import IN_WINDOWS, READ, REFUSED, VIT
from mmpretrain.models import ImageClassifier
from mmpretrain.models.utils import MultiheadAttention
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from mmmix import Attention, MixClassifier, TLAlign
from mmmix.probes.attention import PLAIN, find_attention, heard_attention, heard_matrices

LINEAR = dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=16)


def network(cfg: dict[str, Any]) -> Any:
    """A network whose weights are large enough for attention to be uneven."""
    torch.manual_seed(0)
    model = ImageClassifier(backbone={**deepcopy(cfg), 'type': f'mmpretrain.{cfg["type"]}'}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def own_attention(model: Any, images: Tensor) -> list[Tensor]:
    """The attention that a network itself works out, ``(N, heads, L, L)`` a block.

    A fused attention is asked once more with the unit matrix as values; others call ``softmax`` on 4 dimensions.
    """
    found: list[Tensor] = []
    original = Tensor.softmax

    def softmax(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        weights = original(self, *args, **kwargs)
        if self.ndim == 4:
            found.append(weights)
        return weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, 'softmax', softmax)
        for module in model.modules():
            fused = getattr(module, 'scaled_dot_product_attention', None)
            if fused is not None:

                def asked(query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0, fused: Any = fused) -> Any:
                    unit = torch.eye(key.shape[2]).expand(*key.shape[:2], -1, -1)
                    found.append(fused(query, key, unit, dropout_p=0.0))
                    return fused(query, key, value, dropout_p=dropout_p)

                patch.setattr(module, 'scaled_dot_product_attention', asked)
        model.extract_feat(images)
    return found


@pytest.mark.parametrize('name', READ)
@torch.no_grad()
def test_what_is_heard_is_what_the_network_does(name: str) -> None:
    cfg, size, rows, extra = READ[name]
    model, images = network(cfg), torch.randn(3, 3, size, size)
    own = own_attention(model, images)
    for of in ('class', 'patches'):
        with heard_attention(model, of=of) as maps:
            model.extract_feat(images)
        weights = own[-1].mean(1)
        asked = weights[:, 0] if extra and of == 'class' else weights[:, extra:].mean(1)
        expected = asked[:, extra:].view(3, 1, rows, rows)
        assert float(expected.std()) > 1e-3
        torch.testing.assert_close(maps(size, size), expected, rtol=1e-4, atol=1e-6)
    if cfg['type'] in PLAIN:
        with heard_matrices(model) as matrices:
            model.extract_feat(images)
        for found, expected in zip(matrices(), own, strict=True):
            torch.testing.assert_close(found, expected.mean(1), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_scale_of_its_own() -> None:
    """mmpretrain makes something else of `qk_scale` than its name says; what it makes is what is heard."""
    model, images = network(READ['vit'][0]), torch.randn(2, 3, 32, 32)
    scaled = MultiheadAttention(16, 2, qk_scale=0.1)
    scaled.load_state_dict(model.backbone.layers[-1].attn.state_dict())
    model.backbone.layers[-1].attn = scaled.eval()
    own = own_attention(model, images)
    with heard_attention(model) as maps:
        model.extract_feat(images)
    torch.testing.assert_close(maps(32, 32).flatten(1), own[-1].mean(1)[:, 0, 1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('name', IN_WINDOWS)
@pytest.mark.parametrize('at', ['backbone.stages.0.blocks.0', 'backbone.stages.0.blocks.1', None])
@torch.no_grad()
def test_windows_token_by_token(name: str, at: str | None) -> None:
    """Each token finds its window and its place there by itself."""
    cfg, size = IN_WINDOWS[name]
    model, images, heard = network(cfg), torch.randn(2, 3, size, size), []
    attention = find_attention(model, at)
    attention.w_msa.softmax.register_forward_hook(lambda module, args, weights: heard.append(weights))
    with heard_attention(model, at) as maps:
        model.extract_feat(images)
    found, weights, window = maps(size, size), heard[0], attention.window_size
    rows = found.shape[2]
    assert rows == (size // 2 if at else size // 4)
    across = -(-rows // window)
    shift = attention.shift_size if rows > window else 0
    for y in range(rows):
        for x in range(rows):
            row, column = ((place - shift) % (across * window) for place in (y, x))
            index = (row // window) * across + column // window
            inside = (row % window) * window + column % window
            for image in range(2):
                paid = weights[image * across**2 + index, :, :, inside].mean()
                assert float(found[image, 0, y, x]) == pytest.approx(float(paid), rel=1e-4)


@pytest.mark.parametrize('name', IN_WINDOWS)
@torch.no_grad()
def test_shifted_windows_come_back_to_their_place(name: str) -> None:
    """One token that all keys' weights favour is paid most, wherever it is: through the module as a whole."""
    cfg, size = IN_WINDOWS[name]
    model = network(cfg)
    attention = find_attention(model, 'backbone.stages.0.blocks.1')
    side, width = size // 2, attention.w_msa.embed_dims
    assert attention.shift_size > 0
    # All queries are the first unit vector; only the token that stands out has a key, and it is the same.
    linear = nn.Linear(width, 3 * width)
    linear.weight.zero_(), linear.bias.zero_()
    for head in range(attention.w_msa.num_heads):
        start = head * width // attention.w_msa.num_heads
        linear.bias[start] = 20.0
        linear.weight[width + start, 0] = 20.0
    attention.w_msa.qkv = linear
    for bias in ('q_bias', 'v_bias'):
        if hasattr(attention.w_msa, bias):
            getattr(attention.w_msa, bias).copy_(linear.bias[:width] if bias == 'q_bias' else linear.bias[-width:])
    for parameter in getattr(attention.w_msa, 'cpb_mlp', nn.Identity()).parameters():
        parameter.zero_()  # biases of up to 16 would hide the token
    for y, x in ((0, 0), (0, side - 1), (side - 1, 0), (side - 1, side - 1), (5, 2), (1, side - 3)):
        tokens = torch.zeros(1, side, side, width)
        tokens[0, y, x, 0] = 1
        with heard_attention(model, 'backbone.stages.0.blocks.1') as maps:
            attention(tokens.flatten(1, 2), (side, side))
        assert divmod(int(maps(size, size).argmax()), side) == (y, x)


@pytest.mark.parametrize('kind', REFUSED)
def test_others_are_refused_by_name_when_they_are_built(kind: str) -> None:
    backbone = {**deepcopy(REFUSED[kind]), 'type': f'mmpretrain.{kind}'}
    for augment in (
        dict(type='mmmix.SMMix', token_weight=0),
        dict(type='mmmix.CutMix', labels=dict(type='mmmix.TransMix')),
        dict(type='mmmix.CutMix', labels=dict(type='mmmix.TLAlign')),
    ):
        with pytest.raises(ValueError, match=rf'\b{kind}\b') as error:
            MixClassifier(backbone=deepcopy(backbone), head=LINEAR, train_cfg=dict(augments=augment))
        assert '\n' not in str(error.value) and 'VisionTransformer' in str(error.value)


def test_labels_of_all_tokens_to_all_refuse_windows_and_strange_blocks() -> None:
    labels = TLAlign()
    labels.check_model(network(READ['beit'][0]))
    for name in ('pcpvt', 'svt'):
        with pytest.raises(ValueError, match='all tokens to all'):
            labels.check_model(network(READ[name][0]))
    with pytest.raises(ValueError, match='SwinTransformer'):
        labels.check_model(network(IN_WINDOWS['swin'][0]))

    class Own(MultiheadAttention):
        def forward(self, tokens: Tensor) -> Tensor:
            return tokens

    model = network(READ['vit'][0])
    model.backbone.layers[0].attn = Own(16, 2)
    with pytest.raises(ValueError, match='as it comes'):
        labels.check_model(model)
    assert find_attention(model) is model.backbone.layers[1].attn
    with pytest.raises(ValueError, match=r"'backbone\.layers\.0' of VisionTransformer"):
        find_attention(model, 'backbone.layers.0')


def test_pooled_tokens_and_groups_are_refused() -> None:
    for name, at in (('pcpvt', 'backbone.stages.0.0'), ('svt', 'backbone.stages.0.0'), ('svt', 'backbone.stages.3.0')):
        model = network(READ[name][0])
        with pytest.raises(ValueError, match='single tokens'):
            find_attention(model, at)


def test_subclasses_and_wrappers_that_change_no_forward_pass() -> None:
    class Mine(MODELS.get('VisionTransformer')):  # type: ignore[misc]
        """Another name."""

    class Rolled(Mine):
        """Another layout of tokens."""

        def forward(self, images: Tensor) -> Any:
            return super().forward(images.flip(0))

    options = dict(arch=VIT, img_size=32, patch_size=8)
    model = network(READ['vit'][0])
    model.backbone = Mine(**options)
    assert find_attention(model) is model.backbone.layers[-1].attn
    inner = model.backbone
    model.backbone = nn.Sequential(inner)
    assert find_attention(model) is inner.layers[-1].attn
    model.backbone = Rolled(**options)
    guide = Attention()
    guide.bind(model)
    with pytest.raises(ValueError, match='Rolled'):
        guide(torch.rand(2, 3, 32, 32))
