"""The arms that were tried on the tuning images, beside those of :mod:`small_data_arms`; see ``small_data_log.md``."""

from typing import Any

import small_data_tried  # noqa: F401 - registers the parts
from small_data_arms import CUTMIX, CUTOUT, GRADIENT, HALF, HARD, Arm, spared, sumix


def tried(**args: Any) -> dict[str, Any]:
    """A SUMix head with what the paper does not have."""
    return dict(type='mmpretrain.TriedSUMixHead', clean_pass='detached', **args)


def hard(**args: Any) -> tuple[dict[str, Any], ...]:
    """The hook with other settings."""
    return (dict(type='mmmix.HardSampleHook', **args),)


def pool(**args: Any) -> dict[str, Any]:
    """CutMix in half of the batches with hard partners."""
    return {**HALF, 'partners': dict(type='mmpretrain.TriedFreshHardPool', **args)}


TRIED: dict[str, Arm] = {
    'tried-sumix-trust': Arm('cutmix', CUTMIX, tried(trust=True)),
    'tried-sumix-trust-t2': Arm('cutmix', CUTMIX, tried(trust=True, temperature=2.0)),
    'tried-sumix-late': Arm('cutmix', CUTMIX, tried(begin=0.3)),
    'tried-sumix-half': Arm('cutmix', CUTMIX, tried(blend=0.5)),
    'tried-sumix-clean': Arm('cutmix', CUTMIX, {**tried(clean_loss=0.5), 'clean_pass': 'train'}),
    'tried-control-clean': Arm(
        'cutmix', CUTMIX, {**tried(clean_loss=0.5, relabel=False, regularizer=None), 'clean_pass': 'train'}
    ),
    'tried-sumix-gamma1': Arm('cutmix', CUTMIX, sumix(gamma=1.0, clean_pass='detached')),
    'tried-hard-fresh': Arm('cutmix-half', pool(prob=0.5), hooks=HARD),
    'tried-hard-late': Arm('cutmix-half', pool(prob=0.5), hooks=hard(warmup_epochs=15)),
    'tried-hard-grows': Arm('cutmix-half', pool(prob=0.5, grows=1.0), hooks=HARD),
    'tried-hard-easy': Arm('cutmix-half', pool(prob=0.5, easy_own=1.0), hooks=HARD),
    'tried-hard-quarter': Arm('cutmix-half', pool(prob=0.25), hooks=HARD),
    'tried-hard-wide': Arm('cutmix-half', pool(prob=0.5), hooks=hard(fraction=0.5)),
    'tried-hard-within': Arm('cutmix-half', {**HALF, 'partners': dict(type='mmpretrain.TriedHardWithin')}, hooks=HARD),
    'tried-hard-elem': Arm('cutmix-half', {**pool(prob=0.5), 'lam_mode': 'elem'}, hooks=HARD),
    'tried-half-elem': Arm('cutmix-half', {**HALF, 'lam_mode': 'elem'}),
    'tried-keepcutout-t4': Arm('cutout', {**CUTOUT, 'keep': spared('inside', tau=0.4)}),
    'tried-keepcutout-t8': Arm('cutout', {**CUTOUT, 'keep': spared('inside', tau=0.8)}),
    'tried-keepcutout-12-t8': Arm('cutout-12', {**CUTOUT, 'length': 12, 'keep': spared('inside', tau=0.8)}),
    'tried-keepcutout-cam': Arm(
        'cutout', {**CUTOUT, 'keep': {**spared('inside'), 'guide': dict(type='mmmix.ClassActivation')}}
    ),
    'tried-keepcutmix-t8': Arm('cutmix', {**CUTMIX, 'keep': spared('inside', tau=0.8)}),
    'tried-keepcutmix-salient': Arm(
        'cutmix',
        {
            **CUTMIX,
            'keep': spared('clipped'),
            'labels': dict(type='mmpretrain.TriedSalientShare', guide=GRADIENT),
        },
    ),
    'tried-cutmix-salient': Arm(
        'cutmix',
        {
            **CUTMIX,
            'labels': dict(type='mmpretrain.TriedSalientShare', guide=dict(type='mmmix.InputGradient'), blend=0.5),
        },
    ),
}
