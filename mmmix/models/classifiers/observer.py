"""What those who remember samples get to see of a training step."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ...core import Mix, Mixer, Partners
from .step import Step


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
    sample_idx = [sample.get('sample_idx') for sample in step.data_samples]
    if None in sample_idx:
        raise ValueError(
            "The hard-sample memory needs `sample_idx` in every sample: keep it in PackInputs' `meta_keys`, or add "
            "dict(type='mmmix.HardSampleHook') to `custom_hooks`, which writes it."
        )
    for partners in remembering:
        partners.observe(step.images, step.scores, sample_idx)
    return (sample_idx, outcomes(mix, logits.detach(), step)) if counted else None


def partners_that_remember(mixers: Iterable[Mixer]) -> list[Partners]:
    """Partners that look at the model; several mixers may share one, which then sees each batch once."""
    parts = [part for mixer in mixers for part in mixer.parts()]
    return list({id(part): part for part in parts if isinstance(part, Partners) and part.needs_model}.values())


def outcomes(mix: Mix, logits: Tensor, step: Step) -> Tensor:
    """What the network made of each clean image: 0 a hit, 1 a miss, -1 not seen unmixed, as ``(N,)`` int8."""
    labels = step.scores.argmax(1)
    if step.clean is not None and step.clean.ran:
        return (step.clean.logits[: len(labels)].detach().argmax(1) != labels).to(torch.int8)
    missed = (logits.argmax(1) != labels).to(torch.int8)
    return missed if not mix.mixed else torch.where(mix.mask.flatten(1).amin(1) == 1, missed, -1)
