"""AutoAugment at one magnitude, as the paper's Table 4 varies it: each operation against what it should be by hand."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from mmpretrain.datasets.transforms.auto_augment import AUTOAUG_POLICIES
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from mmmix.datasets.transforms import KeepAutoAugment
from mmmix.datasets.transforms.policies import AutoAugmentAt, at_magnitude

#: mmpretrain's operation -> its argument and the value of this at a magnitude of m out of 30, written down by hand.
BY_HAND: dict[str, tuple[str, Any]] = {
    'Rotate': ('angle', lambda m: m),
    'Posterize': ('bits', lambda m: {0: 8, 6: 7, 12: 6, 18: 6, 24: 5, 30: 4}[m]),
    'Solarize': ('thr', lambda m: 256 - 256 * m / 30),
    'SolarizeAdd': ('magnitude', lambda m: 110 * m / 30),
    'ColorTransform': ('magnitude', lambda m: 0.03 * m),
    'Contrast': ('magnitude', lambda m: 0.03 * m),
    'Brightness': ('magnitude', lambda m: 0.03 * m),
    'Sharpness': ('magnitude', lambda m: 0.03 * m),
    'Shear': ('magnitude', lambda m: 0.01 * m),
    'Translate': ('magnitude', lambda m: 0.015 * m),
}
LEVELS = (0, 6, 12, 18, 24, 30)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def seeded(transform: Any, seed: int, given: Any) -> Any:
    """What a transform makes of an image when every generator starts from a seed."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - mmpretrain's operations draw from it
    return transform(given)


def augmented(transform: KeepAutoAugment, seed: int) -> np.ndarray:
    return seeded(transform, seed, dict(img=image(seed)))['img']


def policies_in(transform: KeepAutoAugment) -> list[list[dict]]:
    """The policies that the AutoAugment of mmpretrain inside was built with."""
    inner: Any = transform.transforms[0]
    return inner.policies


@pytest.mark.parametrize('level', LEVELS)
@pytest.mark.parametrize('kind', BY_HAND)
def test_each_operation_by_hand(kind: str, level: int) -> None:
    argument, value = BY_HAND[kind]
    own = {'type': kind, argument: 3, 'prob': 0.7, 'direction': 'vertical'}
    changed = at_magnitude(own, level, 30)
    assert changed.pop(argument) == pytest.approx(value(level))
    assert changed == {'type': kind, 'prob': 0.7, 'direction': 'vertical'}
    assert own[argument] == 3, 'the policy was written to'


@pytest.mark.parametrize('level', LEVELS)
def test_the_imagenet_policies_keep_all_but_their_magnitudes(level: int) -> None:
    pipeline = policies_in(KeepAutoAugment('imagenet', magnitude=level))
    own = AUTOAUG_POLICIES['imagenet']
    assert [len(sub) for sub in pipeline] == [len(sub) for sub in own]
    ops = [pair for subs in zip(pipeline, own, strict=True) for pair in zip(*subs, strict=True)]
    assert len(ops) == 50
    for changed, original in ops:
        expected = dict(original)
        if original['type'] in BY_HAND:
            argument, value = BY_HAND[original['type']]
            expected[argument] = pytest.approx(value(level))
        assert {key: changed[key] for key in expected} == expected


def test_the_scale_is_the_one_that_the_policies_are_written_on() -> None:
    """torchvision writes the same policies down by level, 0 to 9: at that level every operation is what it was."""
    seen = set()
    levels = AutoAugment(AutoAugmentPolicy.IMAGENET).policies
    for ours, theirs in zip(AUTOAUG_POLICIES['imagenet'], levels, strict=True):
        for op, (_, prob, level) in zip(ours, theirs, strict=True):
            assert op['prob'] == prob
            if level is not None:
                assert at_magnitude(op, level, 9) == {
                    key: pytest.approx(value) if isinstance(value, float) else value for key, value in op.items()
                }
                seen.add((op['type'], level))
    assert len(seen) > 15


@pytest.mark.parametrize('level', range(10))
def test_torchvisions_magnitudes_at_a_level_of_their_own(level: int) -> None:
    own = AutoAugment()._augmentation_space(10, (20, 44))
    ours = AutoAugmentAt('imagenet', level / 9)._augmentation_space(10, (20, 44))
    assert ours.keys() == own.keys()
    for name, (values, signed) in ours.items():
        expected = own[name][0] if own[name][0].ndim == 0 else own[name][0][level].expand(10)
        assert signed == own[name][1] and values.dtype == expected.dtype
        torch.testing.assert_close(values, expected)


@pytest.mark.parametrize('policy', ['cifar10', 'svhn', 'imagenet'])
@pytest.mark.parametrize('level', [0, 9])
def test_torchvisions_policies_at_a_level_of_their_own(policy: str, level: int) -> None:
    own = AutoAugment(AutoAugmentPolicy(policy))
    own.policies = [tuple((op, p, None if at is None else level) for op, p, at in sub) for sub in own.policies]
    ours = AutoAugmentAt(policy, level / 9)
    changed = 0
    for seed in range(60):
        given = Image.fromarray(image(seed))
        expected = np.asarray(seeded(own, seed, given))
        assert np.array_equal(np.asarray(seeded(ours, seed, given)), expected)
        changed += not np.array_equal(expected, image(seed))
    assert changed > 10


@pytest.mark.parametrize('policies', ['cifar10', 'imagenet'])
def test_more_magnitude_distorts_more(policies: str) -> None:
    distance = []
    for level in (0, 6, 12, 18, 24, 30):
        transform = KeepAutoAugment(policies, magnitude=level)
        distance.append(
            np.mean([np.abs(augmented(transform, seed).astype(float) - image(seed)).mean() for seed in range(80)])
        )
    assert distance == sorted(distance) and distance[-1] > 1.3 * distance[0]


def test_no_magnitude_changes_nothing() -> None:
    theirs = TRANSFORMS.build(dict(type='mmpretrain.AutoAugment', policies='imagenet'))
    own = AutoAugment(AutoAugmentPolicy.CIFAR10)
    for seed in range(20):
        expected = seeded(theirs, seed, dict(img=image(seed)))['img']
        assert np.array_equal(augmented(KeepAutoAugment('imagenet'), seed), expected)
        expected = np.asarray(seeded(own, seed, Image.fromarray(image(seed))))
        assert np.array_equal(augmented(KeepAutoAugment('cifar10'), seed), expected)


def test_a_policy_with_a_range_keeps_it() -> None:
    own = [[dict(type='mmpretrain.Cutout', magnitude_range=(2, 12), prob=1.0)]]
    ((op,),) = policies_in(KeepAutoAugment(own, magnitude=15))
    cutout = TRANSFORMS.build({**op, 'pad_val': 0})
    # int(2 + (12 - 2) / 2) pixels on a side, clipped at the border.
    erased = [(seeded(cutout, seed, dict(img=np.full((32, 32), 255, np.uint8)))['img'] == 0).sum() for seed in range(9)]
    assert max(erased) == 49


def test_hyperparameters_reach_the_operations() -> None:
    shift = [[dict(type='Translate', magnitude=0.5, prob=1.0, random_negative_prob=0.0)]]
    white = np.full((8, 8, 3), 255, np.uint8)
    for magnitude in (None, 30):
        transform = KeepAutoAugment(shift, hparams=dict(pad_val=7), magnitude=magnitude)
        found = transform(dict(img=white))['img']
        assert sorted(np.unique(found)) == [7, 255]
        assert (found == 7).any(2).sum() == 8 * (4 if magnitude is None else round(0.45 * 8))


@pytest.mark.parametrize(
    ('arguments', 'names'),
    [
        (dict(magnitude=31), r'\[0, 30\].*magnitude=24'),
        (dict(magnitude=-1), r'\[0, 30\]'),
        (dict(magnitude=11, total_level=10), r'\[0, 10\].*magnitude=8'),
        (dict(magnitude=True), 'or be None'),
        (dict(magnitude='9'), 'or be None'),
        (dict(magnitude=float('nan')), r'\[0, 30\]'),
        (dict(total_level=0), 'total_level'),
        (dict(policies='cifar100'), "'cifar10', 'svhn', 'imagenet'"),
        (dict(policies=[[dict(type='Invert')]], magnitude=6), 'remove `magnitude`'),
        (dict(policies=[[dict(type='Cutout', shape=3)]], magnitude=6), 'magnitude_range'),
    ],
)
def test_bad_arguments_name_the_fix(arguments: dict, names: str) -> None:
    with pytest.raises(ValueError, match=names) as error:
        KeepAutoAugment(**arguments)
    assert '\n' not in str(error.value)


def test_its_repr_tells_the_magnitude() -> None:
    assert repr(KeepAutoAugment('cifar10', magnitude=6)).endswith('tau=0.6, magnitude=6, total_level=30)')
    assert 'magnitude=6' not in repr(KeepAutoAugment('cifar10'))
