"""A small GAN on points of the plane, whose discriminator may see mixtures of real and made points."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmpretrain.registry import DATASETS, HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmmix.ops.draws import beta

#: What is drawn from: the number of modes of the ring, and how wide each is.
MODES, SPREAD = 8, 0.05


def modes() -> Tensor:
    """The centres of the ring's modes, ``(MODES, 2)``, on a circle of radius 1."""
    turns = torch.arange(MODES) * (2 * math.pi / MODES)
    return torch.stack([turns.cos(), turns.sin()], 1)


def points(kind: str, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Real points, ``(count, 2)``: ``'ring'``, eight small Gaussians on a circle, or ``'spiral'``, two turns of one."""
    noise = SPREAD * torch.randn(count, 2, generator=generator)
    if kind == 'ring':
        return modes()[torch.randint(MODES, (count,), generator=generator)] + noise
    if kind == 'spiral':
        turns = torch.rand(count, generator=generator).sqrt()
        angle = 4 * math.pi * turns
        return torch.stack([turns * angle.cos(), turns * angle.sin()], 1) + noise / 2
    raise ValueError(f"`kind` must be 'ring' or 'spiral', but got {kind!r}.")


@DATASETS.register_module()
class Points(Dataset):
    """Batches of real points: item ``i`` hangs on the seed and ``i`` alone.

    Args:
        kind (str): See :func:`points`.
        iterations (int): How many batches there are.
        batch (int): Points in each.
        steps (int): How many of them the discriminator sees in an iteration.
        seed (int): Which. Defaults to 0.
    """

    metainfo: dict = {}  # noqa: RUF012 - the runner asks for it

    def __init__(self, kind: str, iterations: int, batch: int, steps: int, seed: int = 0):
        self.kind, self.iterations, self.batch, self.steps, self.seed = kind, iterations, batch, steps, seed
        points(kind, 1)

    def __len__(self) -> int:
        return self.iterations

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + index)
        return dict(inputs=points(self.kind, self.batch * self.steps, generator).view(self.steps, self.batch, 2))


def perceptron(given: int, width: int, result: int) -> nn.Sequential:
    """Three hidden layers with ReLU."""
    layers: list[nn.Module] = []
    for i in range(3):
        layers += [nn.Linear(given if i == 0 else width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, result))


@MODELS.register_module()
class PointGAN(BaseModel):
    """Generator and discriminator of points.

    With ``alpha`` the discriminator sees ``share * real + (1 - share) * made`` and is asked for the share, drawn from
    Beta(alpha, alpha) for each pair: `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_,
    section on GANs. Without it, it sees real and made points apart. The generator wants its points to be taken for
    real, with the loss that does not saturate; the paper writes the game as one maximum of a minimum.

    Args:
        alpha (float, optional): Of the Beta distribution. Defaults to None, a plain GAN.
        width (int): Of the hidden layers. Defaults to 512.
    """

    def __init__(self, alpha: float | None = None, width: int = 512):
        super().__init__()
        self.alpha = alpha
        self.generator, self.discriminator = perceptron(2, width, 2), perceptron(2, width, 1)

    def forward(self, count: int) -> Tensor:
        """Made points, ``(count, 2)``."""
        return self.generator(torch.randn(count, 2, device=next(self.parameters()).device))

    def discriminator_loss(self, real: Tensor, made: Tensor) -> Tensor:
        """How wrong the discriminator is about real and made points ``(N, 2)`` each, or about their mixtures."""
        if self.alpha is None:
            logits = self.discriminator(torch.cat([real, made]))[:, 0]
            truth = torch.cat([torch.ones(len(real)), torch.zeros(len(made))]).to(logits)
            # The mean over pairs of both losses.
            return 2 * F.binary_cross_entropy_with_logits(logits, truth)
        share = beta(self.alpha, len(real), real.device)
        mixed = torch.lerp(made, real, share[:, None])
        return F.binary_cross_entropy_with_logits(self.discriminator(mixed)[:, 0], share)

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """A few steps of the discriminator, then one of the generator."""
        real = data['inputs'].flatten(0, 1).to(next(self.parameters()).device)
        for batch in real:
            loss = self.discriminator_loss(batch, self(len(batch)).detach())
            optim_wrapper['discriminator'].update_params(loss)
        logits = self.discriminator(self(real.shape[1]))[:, 0]
        wanted = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        optim_wrapper['generator'].update_params(wanted)
        return dict(loss_discriminator=loss.detach(), loss_generator=wanted.detach())


@HOOKS.register_module()
class Snapshots(Hook):
    """Keep what the generator makes after some iterations; it draws from a state of its own, so that nothing changes.

    Args:
        at (list[int]): After which iterations.
        count (int): How many points. Defaults to 1000.
    """

    def __init__(self, at: list[int], count: int = 1000):
        self.at, self.count = set(at), count
        self.kept: dict[int, Tensor] = {}

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Draw points."""
        if runner.iter + 1 in self.at:
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                self.kept[runner.iter + 1] = runner.model(self.count).cpu()


def energy_distance(found: Tensor, real: Tensor) -> float:
    """The energy distance of two sets of points, 0 for equal distributions: ``2 E|a - b| - E|a - a'| - E|b - b'|``."""
    across = torch.cdist(found.double(), real.double()).mean()
    within = [torch.cdist(each.double(), each.double()).sum() / (len(each) * (len(each) - 1)) for each in (found, real)]
    return float(2 * across - within[0] - within[1])


def modes_found(found: Tensor) -> tuple[int, float]:
    """How many modes get a twentieth of their share or more, and which part of the points lies in any, by 3 sigma."""
    distance, mode = torch.cdist(found, modes()).min(1)
    inside = distance < 3 * SPREAD * 2**0.5
    counts = mode[inside].bincount(minlength=MODES)
    return int((counts >= len(found) / MODES / 20).sum()), float(inside.float().mean())


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SeparateOptimizers:
    """An optimizer for each named part of the model.

    Args:
        optim_wrapper_cfg (dict): By the name of a part, its ``OptimWrapper``.
        paramwise_cfg (dict, optional): Not used.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        self.configs = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """The wrappers of a model."""
        found = {name: build_optim_wrapper(getattr(model, name), dict(config)) for name, config in self.configs.items()}
        return OptimWrapperDict(**found)
