"""Shake-Shake and ShakeDrop: random coefficients that differ between the forward and the backward pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def coefficients(maps: Tensor) -> Tensor:
    """One uniform draw from [0, 1) for each sample, ``(N, 1, 1, 1)``."""
    return torch.rand(len(maps), 1, 1, 1, device=maps.device).to(maps.dtype)


class Blend(Function):
    """``alpha * first + (1 - alpha) * second`` whose gradient pretends that the coefficient was ``beta``."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """Blend with ``alpha``."""
        ctx.save_for_backward(beta)
        return alpha * first + (1 - alpha) * second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Share the gradient out with ``beta``."""
        (beta,) = ctx.saved_tensors
        return beta * grad, (1 - beta) * grad, None, None


class Scale(Function):
    """``alpha * maps`` whose gradient pretends that the coefficient was ``beta``."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        """Scale with ``alpha``."""
        ctx.save_for_backward(beta)
        return alpha * maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Scale the gradient with ``beta``."""
        (beta,) = ctx.saved_tensors
        return beta * grad, None, None


class ShakeShake(nn.Module):
    """Blend two branches at random, differently in the forward and the backward pass; evenly at test time.

    `Shake-Shake regularization <https://arxiv.org/abs/1705.07485>`_, its best variant: new coefficients for the
    backward pass, one per image. Both are drawn in the forward pass, so recomputing it finds the same ones again. In
    eval mode, and for the gradient there, the blend is the plain average.
    """

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Blend two branches of shape ``(N, C, H, W)``."""
        if not self.training:
            return 0.5 * (first + second)
        return Blend.apply(first, second, coefficients(first), coefficients(first))


class ShakeDrop(nn.Module):
    """Disturb a residual branch: with probability ``1 - keep`` it is scaled by noise in place of being dropped.

    `ShakeDrop Regularization for Deep Residual Learning <https://arxiv.org/abs/1802.02375>`_. Forward
    ``(b + alpha - b alpha) x`` with ``b`` ~ Bernoulli(keep) and ``alpha`` ~ U(-1, 1); the gradient has ``beta`` ~
    U(0, 1) in place of ``alpha``. In eval mode ``x`` is scaled by the mean of the forward factor, which is ``keep``.
    All three are drawn per image; the authors' code draws ``b`` once a batch.

    Args:
        keep (float): Probability of leaving the branch alone, in [0, 1].
    """

    def __init__(self, keep: float):
        super().__init__()
        self.keep = keep

    def forward(self, maps: Tensor) -> Tensor:
        """Disturb ``(N, C, H, W)``."""
        if not self.training:
            return self.keep * maps
        kept = coefficients(maps.float()) < self.keep
        alpha, beta = 2 * coefficients(maps) - 1, coefficients(maps)
        return Scale.apply(maps, torch.where(kept, 1, alpha), torch.where(kept, 1, beta))

    def extra_repr(self) -> str:
        """Show the probability."""
        return f'keep={self.keep:.3f}'
