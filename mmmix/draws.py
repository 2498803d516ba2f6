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
    # Gamma(a) = Gamma(a + 1) * U^(1 / a), and a beta variate is the logistic of the difference of two log-gammas.
    gamma = torch._standard_gamma(torch.full((2, count), alpha + 1, device=device))
    uniform = 1 - torch.rand(2, count, device=device)
    log_gamma = gamma.log() + uniform.log() / alpha
    return torch.sigmoid(log_gamma[0] - log_gamma[1])
