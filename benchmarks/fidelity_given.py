"""What methods work out from what they are given, beside slow references given the same.

An entry draws nothing that counts: both sides get the same maps, networks or logits, and the largest difference of what
they make of them decides. ``benchmarks/fidelity.py`` and the tests run them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from fidelity_laws import Array

#: From images ``(N, 3, 32, 32)`` with a mean of about 0 to what the reference says and what ours says.
Measure = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Given:
    """One method beside a slow reference of its law.

    Attributes:
        section (str): The section of the page.
        method (str): Its registered name.
        law (str): What the reference does, in a line.
        source (str): Where that was read.
        compared (str): What the numbers are.
        measure (Measure): Works both sides out.
        ours (str): What ours is called, where it is not the default.
        why (str): Why it differs; empty for one that is the same.
        near (float): How far apart both may be and still be the same: rounding, or the chance in frequencies.
        config (str): The committed config whose settings are shown; empty for none.
    """

    section: str
    method: str
    law: str
    source: str
    compared: str
    measure: Measure
    ours: str = 'ours'
    why: str = ''
    near: float = 1e-4
    config: str = ''


def held(entry: Given, images: Array) -> dict:
    """The row of one entry.

    Raises:
        ValueError: If the verdict of the entry is not what was found.
    """
    torch.manual_seed(0)
    theirs, ours = (np.asarray(side, float).ravel() for side in entry.measure(images))
    apart = float(np.abs(theirs - ours).max())
    if (apart > entry.near) != bool(entry.why):
        raise ValueError(
            f'{entry.method} ({entry.ours}) is {apart:.3g} apart from its reference, its entry says '
            f'{entry.why or "the same"!r}: mend one of the two.'
        )
    return dict(
        section=entry.section,
        method=entry.method,
        law=entry.law,
        source=entry.source,
        ours=entry.ours,
        compared=entry.compared,
        numbers=len(theirs),
        mean_theirs=round(float(theirs.mean()), 4),
        mean_ours=round(float(ours.mean()), 4),
        apart=float(f'{apart:.2g}'),
        verdict=f'differs: {entry.why}' if entry.why else 'same',
    )
