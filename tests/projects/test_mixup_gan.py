"""The GAN of the Mixup paper's Figure 5: its losses by hand, what is trained when, and the command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from projects.mixup_gan.gan import PointGAN, Points, energy_distance, modes, modes_found, points  # noqa: E402


def cross_entropy(logit: float, truth: float) -> float:
    p = 1 / (1 + torch.tensor(-logit).exp())
    return float(-(truth * p.log() + (1 - truth) * (1 - p).log()))


@torch.no_grad()
def test_the_loss_of_a_plain_gan() -> None:
    model = PointGAN(width=8)
    real, made = torch.randn(6, 2), torch.randn(6, 2)
    expected = sum(
        cross_entropy(float(model.discriminator(a[None])), 1) + cross_entropy(float(model.discriminator(b[None])), 0)
        for a, b in zip(real, made, strict=True)
    )
    assert float(model.discriminator_loss(real, made)) == pytest.approx(expected / 6, rel=1e-4)


@torch.no_grad()
def test_the_loss_of_mixtures(monkeypatch: Any) -> None:
    """The discriminator is asked how much of each mixture is real."""
    model = PointGAN(alpha=0.2, width=8)
    shares = torch.tensor([0.0, 0.25, 0.5, 1.0])
    monkeypatch.setattr('projects.mixup_gan.gan.beta', lambda alpha, count, device: shares)
    real, made = torch.randn(4, 2), torch.randn(4, 2)
    expected = sum(
        cross_entropy(float(model.discriminator((share * a + (1 - share) * b)[None])), float(share))
        for a, b, share in zip(real, made, shares, strict=True)
    )
    assert float(model.discriminator_loss(real, made)) == pytest.approx(expected / 4, rel=1e-4)


def test_each_step_trains_its_own_part() -> None:
    model, steps = PointGAN(alpha=0.2, width=8), []

    class Recorder:
        def __init__(self, name: str):
            self.name = name

        def update_params(self, loss: Tensor) -> None:
            steps.append(self.name)
            if self.name == 'discriminator':
                gradients = torch.autograd.grad(loss, list(model.generator.parameters()), allow_unused=True)
                assert all(gradient is None for gradient in gradients)

    wrappers: Any = {name: Recorder(name) for name in ('generator', 'discriminator')}
    model.train_step(dict(inputs=torch.randn(1, 5, 7, 2)), wrappers)
    assert steps == ['discriminator'] * 5 + ['generator']


def test_points_and_measures() -> None:
    data = Points('ring', iterations=3, batch=50, steps=4, seed=1)
    assert data[0]['inputs'].shape == (4, 50, 2) and len(data) == 3
    assert torch.equal(data[2]['inputs'], data[2]['inputs']) and not torch.equal(data[0]['inputs'], data[1]['inputs'])
    real = points('ring', 2000, torch.Generator().manual_seed(0))
    count, inside = modes_found(real)
    assert count == 8 and inside == pytest.approx(0.99, abs=0.02)
    assert modes_found(modes()[:1].repeat(100, 1)) == (1, 1.0)
    assert energy_distance(points('ring', 2000), real) == pytest.approx(0, abs=0.01)
    assert energy_distance(modes()[:1].repeat(100, 1), real) > 0.3
    assert points('spiral', 100).norm(dim=1).max() < 1.2
    with pytest.raises(ValueError, match="'ring' or 'spiral'"):
        Points('cross', 1, 1, 1)


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'projects.mixup_gan.draw', '--seeds', '1', '--iterations', '20', '--width', '8']
    done = subprocess.run(
        [*command, '--kinds', 'ring', 'spiral', '--output', str(tmp_path / 'points.json')],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / 'points.json').read_text())
    assert [row['arm'] for row in found['runs']] == ['GAN', 'mixup GAN'] * 2
    assert (tmp_path / 'points.png').stat().st_size > 1000
