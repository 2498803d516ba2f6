"""The arms of the small-data comparison: what each changes in the network without mixing, and what its base is."""

from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One way to train the network.

    Attributes:
        base: The arm that it is compared with; empty for the first.
        augments: The mixer, or a list of them.
        head: What it changes in the head.
        hooks: Custom hooks.
        transforms: Of the data pipeline, behind the flip.
        idea: The hypothesis that it tests, where it was one of those that were tried.
    """

    base: str = ''
    augments: Any = None
    head: dict[str, Any] = field(default_factory=dict)
    hooks: tuple[dict[str, Any], ...] = ()
    transforms: tuple[dict[str, Any], ...] = ()
    idea: str = ''


CUTMIX: dict[str, Any] = dict(type='mmmix.CutMix', alpha=1.0)
HALF: dict[str, Any] = dict(type='mmmix.CutMix', alpha=1.0, prob=0.5)
CUTOUT: dict[str, Any] = dict(type='mmmix.Cutout', length=8)
HARD: tuple[dict[str, Any], ...] = (dict(type='mmmix.HardSampleHook'),)
GRADIENT: dict[str, Any] = dict(type='mmmix.InputGradient')


def sumix(**args: Any) -> dict[str, Any]:
    """A SUMix head."""
    return dict(type='mmmix.SUMixHead', **args)


def spared(candidates: str, tau: float = 0.6, **guide: Any) -> dict[str, Any]:
    """A selective cut."""
    return dict(type='mmmix.SelectiveCut', guide={**GRADIENT, **guide}, tau=tau, candidates=candidates)


def rand(number: int, level: int = 9) -> tuple[dict[str, Any], ...]:
    """RandAugment, which sends the clean view along: so many operations of such a magnitude out of 10."""
    return (dict(type='mmmix.KeepRandAugment', num_policies=number, magnitude_level=level),)


def paste(length: int, tau: float = 0.6) -> dict[str, Any]:
    """A selective paste."""
    return dict(type='mmmix.KeepPaste', length=length, tau=tau)


ARMS: dict[str, Arm] = {
    'none': Arm(),
    # Mixers.
    'mixup': Arm('none', dict(type='mmmix.Mixup', alpha=1.0)),
    'cutmix': Arm('none', CUTMIX),
    'cutmix-half': Arm('none', HALF),
    'resizemix': Arm('none', dict(type='mmmix.ResizeMix')),
    'fmix': Arm('none', dict(type='mmmix.FMix')),
    'saliencymix': Arm('none', dict(type='mmmix.SaliencyMix')),
    'puzzlemix': Arm('none', dict(type='mmmix.PuzzleMix', blocks=(2, 4, 8))),
    'manifoldmix': Arm('none', dict(type='mmmix.ManifoldMix')),
    'recursivemix': Arm('none', dict(type='mmmix.RecursiveMix')),
    'cutout': Arm('none', CUTOUT),
    'gridmask': Arm('none', dict(type='mmmix.GridMask', d_range=(6, 12), prob=0.8)),
    # SUMix, against CutMix alone.
    'sumix': Arm('cutmix', CUTMIX, sumix(clean_pass='detached')),
    'sumix-trained': Arm('cutmix', CUTMIX, sumix(clean_pass='train')),
    'sumix-released': Arm('cutmix', CUTMIX, sumix(distance='released', clean_pass='train')),
    'sumix-t0.5': Arm('cutmix', CUTMIX, sumix(temperature=0.5, clean_pass='detached')),
    'sumix-t2': Arm('cutmix', CUTMIX, sumix(temperature=2.0, clean_pass='detached')),
    'sumix-labels': Arm('cutmix', CUTMIX, sumix(regularizer=None, clean_pass='detached')),
    'sumix-semantic': Arm('cutmix', CUTMIX, sumix(relabel=False, regularizer='semantic', clean_pass='detached')),
    'sumix-uncertainty': Arm('cutmix', CUTMIX, sumix(relabel=False, regularizer='uncertainty', clean_pass='detached')),
    # What its clean pass costs can be saved: a smaller copy, or what is remembered from unmixed batches.
    'sumix-lowres': Arm('cutmix', CUTMIX, sumix(clean_pass='lowres')),
    'sumix-half': Arm('cutmix-half', HALF, sumix(clean_pass='detached', regularizer='semantic')),
    'sumix-memory': Arm(
        'cutmix-half',
        HALF,
        sumix(clean_pass='memory', regularizer='semantic'),
        (dict(type='mmmix.PredictionMemoryHook'),),
    ),
    # The same step with nothing of SUMix in it: what the clean pass alone does.
    'control-detached': Arm('cutmix', CUTMIX, sumix(relabel=False, regularizer=None, clean_pass='detached')),
    'control-trained': Arm('cutmix', CUTMIX, sumix(relabel=False, regularizer=None, clean_pass='train')),
    # HardMix, against CutMix in half of the batches.
    'hardmix': Arm('cutmix-half', dict(type='mmmix.HardMix'), hooks=HARD),
    'hardpool': Arm('cutmix-half', {**HALF, 'partners': dict(type='mmmix.HardPool', prob=0.5)}, hooks=HARD),
    # KeepAugment, against the cut that it spares.
    'keepcutout': Arm('cutout', {**CUTOUT, 'keep': spared('inside')}),
    'keepcutout-clipped': Arm('cutout', {**CUTOUT, 'keep': spared('clipped')}),
    'keepcutout-lowres': Arm('cutout', {**CUTOUT, 'keep': spared('inside', scale=0.5)}),
    'keepcutmix': Arm('cutmix', {**CUTMIX, 'keep': spared('inside')}),
    'keepcutmix-clipped': Arm('cutmix', {**CUTMIX, 'keep': spared('clipped')}),
    'cutout-12': Arm('none', {**CUTOUT, 'length': 12}),
    'keepcutout-12': Arm('cutout-12', {**CUTOUT, 'length': 12, 'keep': spared('inside')}),
    'keepcutout-12-clipped': Arm('cutout-12', {**CUTOUT, 'length': 12, 'keep': spared('clipped')}),
    # ... and against an augmentation of the whole image, of which it pastes a box back.
    'randaugment': Arm('none', transforms=rand(2), idea='RandAugment, two operations of magnitude 9 of 10'),
    'keeprandaugment': Arm(
        'randaugment', paste(8), transforms=rand(2), idea='beside RandAugment a box of 8 pixels is pasted back'
    ),
    'randaugment-strong': Arm('none', transforms=rand(4, 10), idea='RandAugment, four operations of magnitude 10'),
    'keeprandaugment-strong': Arm(
        'randaugment-strong', paste(8), transforms=rand(4, 10), idea='beside that a box of 8 pixels is pasted back'
    ),
    'control-paste': Arm(
        'randaugment-strong', paste(8, tau=0.0), transforms=rand(4, 10), idea='control of that: any box, tau 0'
    ),
    # All three at once.
    'all-three': Arm(
        'cutmix-half',
        {**HALF, 'partners': dict(type='mmmix.HardPool', prob=0.5), 'keep': spared('clipped')},
        sumix(clean_pass='detached'),
        HARD,
    ),
}


def arms_named(arms: dict[str, Arm], patterns: list[str] | None) -> list[str]:
    """The arms whose names fit one of the patterns; None is all of the table.

    Raises:
        SystemExit: If a pattern fits none.
    """
    if patterns is None:
        return list(ARMS)
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in arms):
            raise SystemExit(f'small_data: there is no arm {pattern!r}: choose from {", ".join(arms)}')
    return [name for name in arms if any(fnmatch(name, pattern) for pattern in patterns)]
