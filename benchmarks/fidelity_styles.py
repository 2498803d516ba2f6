"""Mixers of moments beside slow references: each position, or each channel, by itself."""

from typing import Any

import numpy as np
import torch
from fidelity_given import Given, Measure
from fidelity_laws import Array

from mmmix import MixStyle, MoEx


def with_other_moments(own: Array, moments: tuple[float, float], eps: float) -> Array:
    """Numbers whose mean and unbiased deviation become others."""
    return (own - own.mean()) / np.sqrt(own.var(ddof=1) + eps) * moments[1] + moments[0]


def moments_of(values: Array, eps: float) -> tuple[float, float]:
    """Mean and unbiased deviation."""
    return float(values.mean()), float(np.sqrt(values.var(ddof=1) + eps))


def moex(args: dict[str, Any]) -> Measure:
    """The moments of the partner at each position, or of each of its channels."""

    def measure(images: Array) -> tuple[Array, Array]:
        features = images[:6, :, :8, :8]
        mix = MoEx(prob=1.0, **args).mix(torch.from_numpy(features).float(), torch.eye(6))
        theirs = np.zeros(features.shape)
        for i, j in enumerate(mix.partner.tolist()):
            if args:
                for c in range(3):
                    theirs[i, c] = with_other_moments(features[i, c], moments_of(features[j, c], 1e-5), 1e-5)
                continue
            for y in range(8):
                for x in range(8):
                    there = moments_of(features[j, :, y, x], 1e-5)
                    theirs[i, :, y, x] = with_other_moments(features[i, :, y, x], there, 1e-5)
        return np.append(theirs, 0.5 * np.ones(6)), np.append(mix.images.numpy(), mix.lam.numpy())

    return measure


def mixstyle(images: Array) -> tuple[Array, Array]:
    """Shares of both moments of each channel, and the label as it was."""
    features = images[:6, :, :8, :8]
    mixer, shares = MixStyle(prob=1.0, alpha=1.0), torch.linspace(0.1, 0.9, 6)
    mixer.sample_share = lambda count, device: shares  # type: ignore[method-assign]
    mix = mixer.mix(torch.from_numpy(features).float(), torch.eye(6))
    theirs = np.zeros(features.shape)
    for i, (j, share) in enumerate(zip(mix.partner.tolist(), shares.tolist(), strict=True)):
        for c in range(3):
            here, there = (moments_of(features[row, c], 1e-6) for row in (i, j))
            both = share * here[0] + (1 - share) * there[0], share * here[1] + (1 - share) * there[1]
            theirs[i, c] = with_other_moments(features[i, c], both, 1e-6)
    return np.append(theirs, np.eye(6)), np.append(mix.images.numpy(), mix.scores.numpy())


def entries() -> list[Given]:
    """Both."""
    return [
        Given('mixers', 'MoEx', "the partner's mean and deviation at each position", 'code', 'features; own share',
              moex({}), near=1e-3, config='moex'),
        Given('mixers', 'MoEx', "the partner's mean and deviation of each channel", 'code', 'features; own share',
              moex(dict(norm='instance')), ours="norm='instance'", near=1e-3),
        Given('mixers', 'MixStyle', 'shares of both means and deviations of each channel', 'code', 'features; labels',
              mixstyle, near=1e-3, config='mixstyle'),
    ]  # fmt: skip
