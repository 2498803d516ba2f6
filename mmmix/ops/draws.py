"""Random draws that torch has no function for."""

import torch
from torch import Tensor


def beta(alpha: float, count: int, device: torch.device | str) -> Tensor:
    """Draws from Beta(alpha, alpha), also for an ``alpha`` so small that both gamma variates underflow.

    Args:
        alpha (float): The parameter, above 0.
        count (int): How many.
        device (torch.device | str): Where to draw them.

    Returns:
        Tensor: ``(count,)``, float32, in [0, 1].
    """
    if alpha == 1:
        return torch.rand(count, device=device)
    # Gamma(a) = Gamma(a + 1) * U^(1 / a), where -log(U) is exponential, and a beta variate is the logistic of the
    # difference of two log-gammas.
    log_gamma = torch._standard_gamma(torch.full((2, count), alpha + 1, device=device)).log_()
    log_gamma.sub_(torch.empty_like(log_gamma).exponential_(), alpha=1 / alpha)
    return torch.sigmoid(log_gamma[0] - log_gamma[1])


def permutation(count: int, device: torch.device) -> Tensor:
    """A uniform permutation, drawn on the device; sorting noise there needs no word with the host."""
    if device.type == 'cpu':
        return torch.randperm(count)
    return torch.rand(count, device=device, dtype=torch.float64).argsort()


def random_index(size: Tensor | int, count: int, device: torch.device) -> Tensor:
    """Uniform integers in ``[0, size)``, where ``size`` may differ from row to row.

    Args:
        size (Tensor | int): The number of values, ``(count,)`` or one for all.
        count (int): How many to draw.
        device (torch.device): Where to draw them.

    Returns:
        Tensor: ``(count,)``, int64.
    """
    drawn = (torch.rand(count, device=device, dtype=torch.float64) * size).long()
    # float64 times an integer below 2**52 may still round up to `size` itself.
    return torch.minimum(drawn, size - 1) if isinstance(size, Tensor) else drawn.clamp_(max=size - 1)
