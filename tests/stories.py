"""What a training step of a transformer did: the mix, the labels that its head was given, the losses."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from networks import DEIT, classifier, data
from networks import SWIN as RANDOM_DEPTH_SWIN
from torch import Tensor

from mmmix import (
    Mix,
)

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
