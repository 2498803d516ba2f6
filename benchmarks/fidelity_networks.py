"""Small networks, and what they do, in plain loops: derivatives, resized maps, attention."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fidelity_laws import Array
from mmpretrain.registry import MODELS
from torch import Tensor, nn

# ------------------------------------------------------------------------------------------------------- small networks


class SmoothNet(nn.Module):
    """A network without corners, so that finite differences are exact: two convolutions, a mean, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Tanh())
        self.fc = nn.Linear(6, 5)
        self.learned = nn.ModuleDict({'early_first': nn.Linear(4, 5)})
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.fc(self.second(self.first(images)).mean((2, 3)))


def vit() -> Any:
    """A small vision transformer of 4 x 4 tokens, as mmpretrain builds it, whose tokens attend unevenly."""
    torch.manual_seed(0)
    arch = dict(embed_dims=24, num_layers=3, num_heads=2, feedforward_channels=32)
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='VisionTransformer', arch=arch, img_size=32, patch_size=8),
            head=dict(type='VisionTransformerClsHead', num_classes=10, in_channels=24),
        )
    )
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.5 if 'qkv' in name else 0.2)
    return model.eval()


# ----------------------------------------------------------------------------------------------------- slow references


def slopes(function: Callable[[Tensor], Tensor], image: Array, step: float = 1e-5) -> Array:
    """The derivative of a function by every pixel and channel of one image, by central differences."""
    moves = torch.eye(image.size, dtype=torch.double).view(-1, *image.shape) * step
    base = torch.from_numpy(image).double()
    with torch.no_grad():
        found = (function(base + moves) - function(base - moves)) / (2 * step)
    return found.numpy().reshape(image.shape)


def taps_of(at: float, size: int, cubic: bool) -> list[tuple[int, float]]:
    """Which pixels of a row a place between them takes, and how much of each; the edge goes on beyond the border."""
    if not cubic:
        at = max(at, 0.0)
    first = math.floor(at)
    part = at - first
    if not cubic:
        return [(min(first, size - 1), 1 - part), (min(first + 1, size - 1), part)]

    def weight(way: float) -> float:
        way, a = abs(way), -0.75
        if way <= 1:
            return (a + 2) * way**3 - (a + 3) * way**2 + 1
        return a * (way**3 - 5 * way**2 + 8 * way - 4)

    return [(min(max(first + k, 0), size - 1), weight(part - k)) for k in (-1, 0, 1, 2)]


def resized(maps: Array, height: int, width: int, cubic: bool = False) -> Array:
    """Maps ``(..., H, W)`` at another size, bilinear or bicubic, pixel centres in line."""
    for axis, size in ((-2, height), (-1, width)):
        old = np.moveaxis(maps, axis, 0)
        new = []
        for i in range(size):
            taps = taps_of((i + 0.5) * len(old) / size - 0.5, len(old), cubic)
            new.append(sum(weight * old[at] for at, weight in taps))
        maps = np.moveaxis(np.stack(new), 0, axis)
    return maps


def softmax(row: Array) -> Array:
    """Probabilities of one row."""
    found = np.exp(row - row.max())
    return found / found.sum()


def attention_of(model: Any, images: Tensor) -> list[Array]:
    """What each token of a ViT pays to each other one in every block, ``(N, L, L)``, head by head, mean over heads."""
    heard: list[tuple[Any, Array]] = []
    layers = [layer.attn for layer in model.backbone.layers]
    handles = [
        layer.register_forward_pre_hook(lambda module, args: heard.append((module, args[0].double().numpy())))
        for layer in layers
    ]
    with torch.no_grad():
        model(images)
    for handle in handles:
        handle.remove()
    found = []
    for module, tokens in heard:
        weight, bias = (p.detach().double().numpy() for p in (module.qkv.weight, module.qkv.bias))
        heads, width = module.num_heads, tokens.shape[2]
        size = width // heads
        paid = np.zeros((len(tokens), tokens.shape[1], tokens.shape[1]))
        for n, token in enumerate(tokens):
            mixed = token @ weight.T + bias
            for head in range(heads):
                query = mixed[:, head * size : (head + 1) * size]
                key = mixed[:, width + head * size : width + (head + 1) * size]
                for i, row in enumerate(query @ key.T / math.sqrt(size)):
                    paid[n, i] += softmax(row) / heads
        found.append(paid)
    return found
