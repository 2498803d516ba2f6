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
