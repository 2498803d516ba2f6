"""What those who remember samples get to see of a training step."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...core import Mix, Mixer
from .step import Step, partners_that_remember
from .targets import missed


def observe(
    step: Step, mixers: Iterable[Mixer], mix: Mix, logits: Tensor, counted: bool
) -> tuple[Sequence[int], Tensor] | None:
    """Hand the clean batch to partners that remember, and say what the network made of it.

    Args:
        step (Step): The step.
        mixers (Iterable[Mixer]): All mixers in force.
        mix (Mix): How the batch was mixed.
        logits (Tensor): ``(N, K)`` of the mixed images.
        counted (bool): Whether a memory of hard samples counts outcomes.

    Returns:
        tuple[Sequence[int], Tensor] | None: Indices of the samples and their :func:`outcomes`, None if nobody counts.

    Raises:
        ValueError: If somebody remembers, but a sample does not say which one it is.
    """
    remembering = partners_that_remember(mixers)
    if not counted and not remembering:
        return None
    sample_idx = step.sample_idx()
    for partners in remembering:
        partners.observe(step.images, step.scores, sample_idx)
    return (sample_idx, outcomes(mix, logits.detach(), step)) if counted else None


def predictions(mix: Mix, logits: Tensor, step: Step, table: Any) -> tuple[Sequence[int], Tensor]:
    """What the network said of the clean images, for a memory of predictions.

    Args:
        mix (Mix): How the batch was mixed.
        logits (Tensor): ``(N, K)`` of the mixed images.
        step (Step): The step.
        table (PredictionTable): The memory.

    Returns:
        tuple[Sequence[int], Tensor]: Indices of the samples, and what is to be remembered of each, with class -1 for
        those that were not seen unmixed.
    """
    if step.clean is not None and step.clean.ran:
        return step.sample_idx(), table.compact(step.clean.logits[: len(step.scores)], table.top)
    rows = table.compact(logits, table.top)
    return step.sample_idx(), torch.where(untouched(mix, step)[:, None, None], rows, -1) if mix.mixed else rows


def outcomes(mix: Mix, logits: Tensor, step: Step) -> Tensor:
    """What the network made of each clean image: 0 a hit, 1 a miss, -1 not seen unmixed, as ``(N,)`` int8."""
    if step.clean is not None and step.clean.ran:
        return missed(step.clean.logits[: len(step.scores)].detach(), step.scores).to(torch.int8)
    found = missed(logits, step.scores).to(torch.int8)
    return torch.where(untouched(mix, step), found, -1) if mix.mixed else found


def untouched(mix: Mix, step: Step) -> Tensor:
    """Which images of a mixed batch the network saw as they came, ``(N,)`` bool."""
    whole = mix.mask.flatten(1).amin(1) == 1
    return whole if step.mixer is None or step.mixer.mask_tells else torch.zeros_like(whole)
