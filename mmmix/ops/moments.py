"""Mean and deviation of features, and features that are given those of others."""

import torch
from torch import Tensor


def moments(features: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over some dimensions, which stay with size 1.

    Args:
        features (Tensor): ``(N, C, H, W)``, float32 or better.
        dims (tuple[int, ...]): Over which: ``(1,)`` at each position, ``(2, 3)`` of each channel.
        eps (float): Added to the variance.

    Returns:
        tuple[Tensor, Tensor]: The mean, and the root of the variance, unbiased if there is more than one number.
    """
    count = 1
    for dim in dims:
        count *= features.shape[dim]
    variance = features.var(dims, keepdim=True, correction=int(count > 1))
    return features.mean(dims, keepdim=True), (variance + eps).sqrt()


def with_moments(
    features: Tensor, own: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], like: torch.dtype
) -> Tensor:
    """Features whose moments are taken away and replaced by others, in another dtype and their memory format."""
    (mean, std), (new_mean, new_std) = own, other
    scale = new_std / std
    found = (features * scale + (new_mean - mean * scale)).to(like)
    if features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous():
        found = found.contiguous(memory_format=torch.channels_last)
    return found
