"""Arguments are declared once: constructor, errors, repr and documentation follow."""

import inspect
from typing import Any

import pytest
import torch

import mmmix
from mmmix import BoxMixer, CutMix, FMix, GridMix, HardMix, InputGradient, KeepCutout, Mixer, Mixup, Permutation
from mmmix.core import Built, Guide, check
from mmmix.core.fields import (
    again,
    both_sides,
    checked,
    choice,
    flag,
    number,
    number_or,
    part,
    places,
    settled,
    several,
    sides,
    span,
    state,
    text,
    whole,
)
from mmmix.core.part import Part

ACCEPTED: list[tuple[Any, Any, Any]] = [
    (number(above=0), 1, 1.0),
    (number(least=0, most=1), 0, 0.0),
    (number(least=0, below=1), 0.999, 0.999),
    (number(optional=True), None, None),
    (whole(least=2), 2, 2),
    (whole(odd=True), 7, 7),
    (flag(), False, False),
    (choice('a', None), None, None),
    (choice(2, 3), 3, 3),
    (text(), 'backbone', 'backbone'),
    (span(above=0, most=1), [0.1, 1], (0.1, 1.0)),
    (span(least=2, whole=True), (2, 2), (2, 2)),
    (several(least=2), [2, 4], (2, 4)),
    (sides(), 16, 16),
    (sides(), [4, 6], [4, 6]),
    (places(), None, ('',)),
    (places(), 'neck', ('neck',)),
    (number_or('random'), 'random', 'random'),
    (number_or('random'), 0.5, 0.5),
]
REFUSED: list[tuple[Any, Any, str]] = [
    (number(above=0), 0, 'be a number above 0'),
    (number(above=0), True, 'be a number above 0'),
    (number(above=0), '1', 'be a number above 0'),
    (number(above=0), float('nan'), 'be a number above 0'),
    (number(above=0), float('inf'), 'be a number above 0'),
    (number(above=0), None, 'be a number above 0'),
    (number(least=0, most=1), 1.01, 'lie in [0, 1]'),
    (number(above=0, below=1), 1, 'lie in (0, 1)'),
    (number(most=3), 4, 'be a number of at most 3'),
    (whole(least=1), 1.0, 'be a whole number of at least 1'),
    (whole(least=1), True, 'be a whole number of at least 1'),
    (whole(least=1, odd=True), 4, 'be an odd whole number of at least 1'),
    (whole(least=1, optional=True), 0, 'be a whole number of at least 1, or be None'),
    (flag(), 1, 'be True or False'),
    (choice('a', 'b'), 'c', "be 'a' or 'b'"),
    (choice('a', 'b', None), 'c', "be 'a', 'b' or None"),
    (choice(2, 3), True, 'be 2 or 3'),
    (text(what='a path'), '', 'be a path'),
    (text(), 3, 'be a text'),
    (span(above=0, most=1), (0, 1), 'be a range in (0, 1]'),
    (span(least=0, most=1), (0.5, 0.1), 'be a range in [0, 1]'),
    (span(least=0, most=1), 'ab', 'be a range in [0, 1]'),
    (span(least=2, whole=True), (2, 3.5), 'be a range of whole numbers in [2, inf)'),
    (several(least=2), [], 'be whole numbers from 2 up'),
    (several(least=2), [2, 1], 'be whole numbers from 2 up'),
    (sides(), 0, 'be a positive number of pixels'),
    (sides(), (4, 5, 6), 'be a positive number of pixels'),
    (places(), [], 'name modules'),
    (places(), [1], 'name modules'),
    (number_or('random'), 'noise', "be a number or 'random'"),
    (number_or('random'), True, "be a number or 'random'"),
]


@pytest.mark.parametrize(('field', 'given', 'kept'), ACCEPTED)
def test_what_fits_is_kept(field: Any, given: Any, kept: Any) -> None:
    (found,) = check('X', value=(given, field))
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(('field', 'given', 'words'), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(field: Any, given: Any, words: str) -> None:
    with pytest.raises(ValueError) as error:
        check('X', value=(given, field))
    said = str(error.value)
    assert said.startswith('X: `value` must ') and words in said and repr(given) in said and '\n' not in said


class Base(Part, abstract=True):
    """Base."""

    strength: float = number(default=1.0, above=0, doc='How much.')
    axis: str = choice('x', 'y', default='x', doc='Which way.')
    guide: Built[Guide] = part(Guide, default=None, stands_for=InputGradient, doc='Whom to ask.')


class Other(Part, abstract=True):
    """Another base, with another default."""

    strength: float = number(default=5.0, doc='Other.')


class Child(Base, first=('axis',)):
    """Child.

    Example:
        >>> 1
        1
    """

    cells: int = whole(default=4, least=1, doc='Cells a side.')
    strength: float = again(default=2.0)
    seen: int = state(default=0)


#: Type checkers know arguments by name alone.
POSITIONAL: Any = Child


def test_order_defaults_and_repr() -> None:
    assert list(inspect.signature(Child).parameters) == ['axis', 'cells', 'strength', 'guide']
    made = POSITIONAL('y', 3)
    assert (made.axis, made.cells, made.strength) == ('y', 3, 2.0) and isinstance(made.guide, InputGradient)
    assert repr(Child(strength=4)) == f"Child(axis='x', cells=4, strength=4.0, guide={InputGradient()!r})"
    assert Base().strength == 1.0 and Child().guide is not Child().guide


def test_the_documentation_names_every_argument() -> None:
    doc = Child.__doc__ or ''
    assert '        cells (int): Cells a side. Defaults to 4.\n' in doc
    assert '        strength (float): How much. Defaults to 2.0.\n' in doc
    assert "        axis (str): Which way. Defaults to ``'x'``.\n" in doc
    assert '        guide (Guide | dict, optional): Whom to ask. Defaults to None, :class:`InputGradient`.\n' in doc
    assert doc.index('Args:') < doc.index('Raises:') < doc.index('Example:') and 'seen' not in doc
    assert all(len(line) <= 120 for line in (CutMix.__doc__ or '').splitlines())


def test_errors_name_the_fix() -> None:
    for args, words in (
        (dict(cell=3), 'Child does not take `cell`: it takes axis, cells, strength, guide.'),
        (dict(seen=3), 'Child does not take `seen`'),
        (dict(guide=Permutation()), 'Child: `guide` takes a Guide or its config'),
    ):
        with pytest.raises(TypeError) as error:
            Child(**args)
        assert str(error.value).startswith(words) and '\n' not in str(error.value)
    calls: list[tuple[tuple, dict]] = [(('x', 1, 1.0, None, 5), {}), (('x',), dict(axis='y'))]
    for positions, names in calls:
        with pytest.raises(TypeError, match='Child takes axis, cells, strength, guide, each once: name them'):
            POSITIONAL(*positions, **names)


def test_of_several_bases_the_nearest_declares() -> None:
    class Both(Child, Other):
        """Both."""

    class Turned(Other, Child):
        """Turned."""

    assert Both().strength == 2.0 and Turned().strength == 5.0 and Both().cells == 4
    assert KeepCutout().lam_mode == 'elem' and mmmix.KeepRandomErasing().prob == 0.5


def test_what_a_class_has_settled_is_no_argument() -> None:
    class Fixed(Child):
        """Fixed."""

        cells: int = settled(default=9)

    assert Fixed().cells == 9 and 'cells' not in repr(Fixed()) and 'cells' not in (Fixed.__doc__ or '')
    with pytest.raises(TypeError, match='Fixed does not take `cells`'):
        Fixed(cells=3)  # type: ignore[call-arg]


def test_a_constructor_by_hand_still_works() -> None:
    class Mine(Mixer):
        """A class as they were written before."""

        def __init__(self, half: float = 0.5, **others: Any):
            super().__init__(**others)
            self.half = half

        def draw(self, own: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> Any:
            return torch.full((1, 1, 1, 1), self.half), other

    class Heir(Mine):
        """Its constructor is inherited."""

    for kind in (Mine, Heir):
        made = kind(0.25, prob=0.5)
        assert made.half == 0.25 and made.prob == 0.5 and made.lam_mode == 'batch'
        assert float(kind(0.25).mix(torch.rand(3, 1, 4, 4), torch.eye(3)).lam[0]) == 0.25
    with pytest.raises(ValueError, match='Mine: `prob`'):
        Mine(prob=2)


def test_positions_are_what_they_were() -> None:
    """The first positions of constructors that people call with them."""
    for kind, names in (
        (Mixup, 'alpha prob lam_mode partners'),
        (CutMix, 'alpha prob lam_mode partners keep labels check_finite'),
        (FMix, 'alpha decay_power max_soft'),
        (GridMix, 'grid alpha prob lam_mode'),
        (HardMix, 'alpha prob lam_mode guide partners keep labels'),
        (KeepCutout, 'guide tau length fill prob lam_mode'),
        (mmmix.TokenMix, 'patch_size share min_tokens ratio guide'),
        (mmmix.RandomErasing, 'scale ratio fill prob lam_mode keep'),
        (mmmix.SelectiveCut, 'guide tau'),
        (mmmix.HardPool, 'size min_size prob dtype'),
        (mmmix.PuzzleMix, 'alpha guide blocks beta gamma eta'),
    ):
        assert list(inspect.signature(kind).parameters)[: len(names.split())] == names.split()


def test_checked_and_both_sides() -> None:
    even = checked(lambda value: value * 2, must='be even', kind='int')
    assert check('X', value=(2, even)) == (4,)
    assert both_sides((3, 4)) == (3, 4) and both_sides(5) == (5, 5)


def test_a_base_is_no_method() -> None:
    from mmmix.registry import BATCH_AUGMENTS, TASK_UTILS

    assert BoxMixer.is_abstract and not CutMix.is_abstract
    for name in ('Mixer', 'BoxMixer', 'GuidedMixer'):
        assert name not in BATCH_AUGMENTS.module_dict
    for name in ('Guide', 'Partners', 'AttentionLabels', 'QuantileKeep'):
        assert name not in TASK_UTILS.module_dict
