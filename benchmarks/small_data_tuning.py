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
    'tried-sumix-trust': Arm(
        'cutmix', CUTMIX, tried(trust=True), idea='learned shares count by how sure the network is of both clean images'
    ),
    'tried-sumix-trust-t2': Arm('cutmix', CUTMIX, tried(trust=True, temperature=2.0), idea='the same, temperature 2'),
    'tried-sumix-late': Arm('cutmix', CUTMIX, tried(begin=0.3), idea='shares are learned after 30 % of the training'),
    'tried-sumix-half': Arm('cutmix', CUTMIX, tried(blend=0.5), idea='half learned share, half area'),
    'tried-sumix-clean': Arm(
        'cutmix',
        CUTMIX,
        {**tried(clean_loss=0.5), 'clean_pass': 'train'},
        idea='clean images teach too: cross entropy, weight .5',
    ),
    'tried-control-clean': Arm(
        'cutmix',
        CUTMIX,
        {**tried(clean_loss=0.5, relabel=False, regularizer=None), 'clean_pass': 'train'},
        idea='control of that: the same without SUMix',
    ),
    'tried-sumix-gamma1': Arm(
        'cutmix', CUTMIX, sumix(gamma=1.0, clean_pass='detached'), idea='twice the regulariser, gamma 1'
    ),
    'tried-hard-fresh': Arm('cutmix-half', pool(prob=0.5), hooks=HARD, idea='what comes from the pool is flipped anew'),
    'tried-hardmix-fresh': Arm('cutmix-half', pool(prob=1.0), hooks=HARD, idea='the same, all partners hard'),
    'tried-hard-slow': Arm(
        'cutmix-half', pool(prob=0.5), hooks=hard(momentum=0.98), idea='flipped anew, a memory of 50 epochs, not 10'
    ),
    'control-hardmix-any': Arm(
        'cutmix-half',
        dict(type='mmmix.HardMix'),
        hooks=hard(fraction=1.0, min_hardness=0.0),
        idea='control of HardMix: nearly any sample may come from the pool',
    ),
    'tried-hard-late': Arm(
        'cutmix-half', pool(prob=0.5), hooks=hard(warmup_epochs=15), idea='flipped anew, after 15 epochs alone'
    ),
    'tried-hard-grows': Arm(
        'cutmix-half', pool(prob=0.5, grows=1.0), hooks=HARD, idea='flipped anew, more and more hard partners'
    ),
    'tried-hard-easy': Arm(
        'cutmix-half',
        pool(prob=0.5, easy_own=1.0),
        hooks=HARD,
        idea='flipped anew, hard partners for easy images alone',
    ),
    'tried-hard-quarter': Arm(
        'cutmix-half', pool(prob=0.25), hooks=HARD, idea='flipped anew, a quarter of the partners hard'
    ),
    'tried-hard-wide': Arm(
        'cutmix-half', pool(prob=0.5), hooks=hard(fraction=0.5), idea='flipped anew, half of all samples may be hard'
    ),
    'tried-hard-within': Arm(
        'cutmix-half',
        {**HALF, 'partners': dict(type='mmpretrain.TriedHardWithin')},
        hooks=HARD,
        idea='partners of the batch itself, drawn by their hardness',
    ),
    'tried-hard-elem': Arm(
        'tried-half-elem', {**pool(prob=0.5), 'lam_mode': 'elem'}, hooks=HARD, idea='flipped anew, a box for each image'
    ),
    'tried-half-elem': Arm('cutmix-half', {**HALF, 'lam_mode': 'elem'}, idea='control of that: CutMix so'),
    'tried-keepcutout-t4': Arm('cutout', {**CUTOUT, 'keep': spared('inside', tau=0.4)}, idea='Cutout 8, tau .4'),
    'tried-keepcutout-t8': Arm('cutout', {**CUTOUT, 'keep': spared('inside', tau=0.8)}, idea='Cutout 8, tau .8'),
    'tried-keepcutout-12-t8': Arm(
        'cutout-12', {**CUTOUT, 'length': 12, 'keep': spared('inside', tau=0.8)}, idea='Cutout 12, tau .8'
    ),
    'tried-keepcutout-cam': Arm(
        'cutout',
        {**CUTOUT, 'keep': {**spared('inside'), 'guide': dict(type='mmmix.ClassActivation')}},
        idea='Cutout 8, class activation as guide',
    ),
    'tried-keepcutmix-t8': Arm('cutmix', {**CUTMIX, 'keep': spared('inside', tau=0.8)}, idea='CutMix, tau .8'),
    'tried-keepcutmix-salient': Arm(
        'cutmix',
        {
            **CUTMIX,
            'keep': spared('clipped'),
            'labels': dict(type='mmpretrain.TriedSalientShare', guide=GRADIENT),
        },
        idea='KeepCutMix with shares by what is left of the salience',
    ),
    'tried-cutmix-salient': Arm(
        'cutmix',
        {
            **CUTMIX,
            'labels': dict(type='mmpretrain.TriedSalientShare', guide=dict(type='mmmix.InputGradient'), blend=0.5),
        },
        idea='CutMix with shares half by salience, half by area',
    ),
}
