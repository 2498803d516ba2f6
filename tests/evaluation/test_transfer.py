"""Attacks made with one network and tried on another, against loops by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor

from mmmix import IFGSM, PixelClassifier, PreActResNet_CIFAR, transfer

ROOT = Path(__file__).resolve().parents[2]


def network(seed: int, mean: float = 120.0, std: float = 60.0, classes: int = 3) -> ImageClassifier:
    torch.manual_seed(seed)
    return ImageClassifier(
        backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=classes, in_channels=32),
        data_preprocessor=dict(mean=[mean] * 3, std=[std] * 3),
    ).eval()


def loader() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return [dict(inputs=list(images), data_samples=[DataSample().set_gt_label(i % 3) for i in range(8)])]


def signs(model: ImageClassifier, pixels: Tensor, labels: Tensor) -> Tensor:
    leaf = pixels.clone().requires_grad_()
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    F.cross_entropy(model((255 * leaf - mean) / std, mode='tensor'), labels, reduction='sum').backward()
    assert leaf.grad is not None
    return leaf.grad.sign()


def by_hand(
    source: ImageClassifier, pixels: Tensor, labels: Tensor, epsilon: float, steps: int, step: float | None = None
) -> Tensor:
    moved = pixels
    for _ in range(steps):
        moved = moved + signs(source, moved, labels) * (epsilon / steps if step is None else step)
        moved = torch.maximum(torch.minimum(moved, pixels + epsilon), pixels - epsilon).clamp(0, 1)
    return moved


@pytest.mark.parametrize('black', [False, True])
def test_against_loops(black: bool) -> None:
    """The source sees the image by its own normalisation, the target what came of it by its own."""
    target = network(0)
    source = network(1, mean=100.0, std=30.0) if black else None
    found = {result.test: result for result in transfer(target, source, loader(), [8.0], steps=3)}
    assert set(found) == {'clean', 'fgsm', 'ifgsm'}
    (data,) = loader()
    pixels = torch.stack(data['inputs']).float() / 255
    labels = torch.tensor([i % 3 for i in range(8)])
    whose = source or target
    attacked = dict(
        clean=pixels,
        fgsm=(pixels + 8 / 255 * signs(whose, pixels, labels)).clamp(0, 1),
        ifgsm=by_hand(whose, pixels, labels, 8 / 255, 3),
    )
    for name, images in attacked.items():
        with torch.no_grad():
            right = PixelClassifier(target)(images).argmax(1) == labels
        assert found[name].top1 == pytest.approx(100 * float(right.float().mean()))
        assert found[name].images == 8
    assert found['ifgsm'].detail == ('black box' if black else 'white box') and found['ifgsm'].amount == 8


def test_ifgsm_begins_at_the_image() -> None:
    model = network(0)
    (data,) = loader()
    pixels, labels = torch.stack(data['inputs']).float() / 255, torch.tensor([i % 3 for i in range(8)])
    found = IFGSM(PixelClassifier(model), 4 / 255, steps=10)(pixels, labels)
    torch.testing.assert_close(found, by_hand(model, pixels, labels, 4 / 255, 10))
    assert float((found - pixels).abs().max()) <= 4 / 255 + 1e-6
    # A pixel whose gradient keeps its sign goes all the way, however large epsilon is.
    far = IFGSM(PixelClassifier(model), 16 / 255, steps=10)(pixels, labels)
    assert float((far - pixels).abs().max()) == pytest.approx(16 / 255, rel=1e-4)
    steps = IFGSM(PixelClassifier(model), 4 / 255, step=1 / 255, steps=10)(pixels, labels)
    torch.testing.assert_close(steps, by_hand(model, pixels, labels, 4 / 255, 10, 1 / 255))
    (result,) = [each for each in transfer(model, None, loader(), steps=2, step=1.0) if each.test == 'ifgsm']
    moved = by_hand(model, pixels, labels, 4 / 255, 2, 1 / 255)
    right = (PixelClassifier(model)(moved).argmax(1) == labels).float().mean()
    assert result.top1 == pytest.approx(100 * float(right))


def test_bad_arguments_are_told() -> None:
    with pytest.raises(ValueError, match='3 classes but the source 4'):
        list(transfer(network(0), network(1, classes=4), loader()))
    with pytest.raises(ValueError, match='`epsilons` must lie in'):
        list(transfer(network(0), None, loader(), [300.0]))
    with pytest.raises(ValueError, match='`step`'):
        list(transfer(network(0), None, loader(), step=0.0))


def test_preact_resnet_may_stride_in_its_first_stage() -> None:
    (maps,) = PreActResNet_CIFAR(base_channels=8, strides=(2, 2, 2, 1))(torch.rand(1, 3, 32, 32))
    assert maps.shape == (1, 64, 4, 4)


def test_preact_resnet_has_its_size() -> None:
    net = PreActResNet_CIFAR()
    assert round((sum(p.numel() for p in net.parameters()) + 5130) / 1e6, 1) == 11.2
    assert [maps.shape[1:] for maps in PreActResNet_CIFAR(8, out_indices=(0, 3))(torch.rand(1, 3, 16, 16))] == [
        (8, 16, 16),
        (64, 2, 2),
    ]
    with pytest.raises(ValueError, match='stages 0, 1, 2 and 3'):
        PreActResNet_CIFAR(out_indices=(4,))
    with pytest.raises(ValueError, match='four stages'):
        PreActResNet_CIFAR(strides=(1, 2, 2))


def test_the_tool(tmp_path: Path) -> None:
    """From checkpoints to a file; the source's attacks are the black box."""
    from mmengine.config import Config

    from mmmix.cli import build_classifier

    config = ROOT / 'configs/quickstart/resnet_digits_none.py'
    torch.manual_seed(0)
    names = []
    for name in ('target', 'source'):
        model: Any = build_classifier(Config.fromfile(config), initialise=True)
        names.append(str(tmp_path / f'{name}.pth'))
        torch.save(dict(state_dict=model.state_dict(), meta={}), names[-1])
    command = [sys.executable, str(ROOT / 'tools/transfer_attacks.py'), str(config), names[0], '--source', str(config)]
    command += [names[1], '--limit', '32', '--steps', '2', '--output', str(tmp_path / 'found.json')]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert 'Test 6 of 6, about 0:00 left' in done.stderr
    found = json.loads((tmp_path / 'found.json').read_text())['results']
    assert [(row['test'], row['detail']) for row in found] == [
        ('clean', ''), ('fgsm', 'white box'), ('ifgsm', 'white box'), ('fgsm', 'black box'), ('ifgsm', 'black box'),
    ]  # fmt: skip
